import { connect } from '@weft/replica'
import { Journal } from './journal.mjs'

/*
 * Takes the lease on the branch, and then writes whenever it is told to; says what came of it. With FROZEN set its
 * clock stands still while it is stopped, so that nothing but the peer can tell it that its time is over.
 */
const { URL: url, TOKEN: token, TTL_MS, FROZEN } = process.env
if (FROZEN) {
  const now = Date.now()
  Date.now = () => now
}
const replica = await connect({ url, token })
const context = await replica.open(Journal, { workflow: 'w', agent: 'zombie' })
const { epoch } = await context.lease({ ttl_ms: Number(TTL_MS) })
process.on('message', async ({ text }) => {
  try {
    await context.append('line', text).committed
    process.send({ wrote: text })
  } catch ({ code }) {
    process.send({ refused: text, code })
  }
})
process.send({ epoch })
