import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { Journal } from './journal.mjs'

/*
 * Pays once for each key that it is told. What it pays is a file that can be made once, as a bank would that knows the
 * idempotency key.
 */
const { URL: url, TOKEN: token, FOLDER: folder, TTL_MS } = process.env
const replica = await connect({ url, token })
const context = await replica.open(Journal, { workflow: 'w', agent: `payer-${process.pid}` })

async function pay({ idempotencyKey }) {
  const name = encodeURIComponent(idempotencyKey)
  try {
    const file = await open(join(folder, `${name}.paid`), 'wx')
    await file.write(`${process.pid}`)
    await file.close()
  } catch ({ code }) {
    if (code !== 'EEXIST') throw new Error(code)
  }
  return { paid: idempotencyKey }
}

/** Pays, says so, and stays there until it is killed. */
async function payAndStay(key, asked) {
  await pay(asked)
  process.send({ paid: key })
  return new Promise(() => {})
}

async function step(key, stays) {
  const { value } = await context.step('pay', async step => {
    const effect = stays ? asked => payAndStay(key, asked) : pay
    const result = await step.effect(key, effect, { ttl_ms: Number(TTL_MS) })
    step.append('line', `paid ${key}`)
    return result
  })
  return value
}

/** On a machine that is busy a lease this short may be lost: whoever lost it tries again, as workers do. */
async function attempt(key, stays) {
  for (;;) {
    try {
      return await step(key, stays)
    } catch (error) {
      if (error.code !== 'WEFT_LEASE_LOST') throw error
    }
  }
}

process.on('message', async ({ key, stays }) => {
  process.send({ begun: key })
  process.send({ done: key, value: await attempt(key, stays) })
})
process.send({ ready: true })
