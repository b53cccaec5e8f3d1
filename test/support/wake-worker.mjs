import { connect } from '@weft/replica'
import { Journal } from './journal.mjs'

/*
 * One of a pool: claims what there is to do, says what it has handled before it acknowledges that, and goes on until it
 * is killed.
 */
const { URL: url, TOKEN: token, TTL_MS, MAX } = process.env
const replica = await connect({ url, token })
const context = await replica.open(Journal, {
  workflow: 'w',
  agent: `worker-${process.pid}`,
  timeout_ms: 60_000,
})
const pool = await context.subscribe('pool', { kinds: ['line'] })
const say = line => new Promise(resolve => process.send(line, resolve))

async function work() {
  for await (const claim of pool.claims({ ttl_ms: Number(TTL_MS), max: Number(MAX) })) {
    const { epoch } = claim
    const lines = claim.events.flatMap(({ entries }) => entries.map(({ value }) => value))
    await say({ epoch, lines })
    await claim.ack()
    await say({ acknowledged: epoch })
  }
}

/** On a machine that is busy a claim this short may be lost: somebody else handles it again. */
async function keepWorking() {
  for (;;) {
    try {
      await work()
    } catch (error) {
      if (error.code !== 'WEFT_LEASE_LOST') throw error
    }
  }
}

await keepWorking()
