import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { seededDice } from '../support/core-property.ts'
import { Journal } from '../support/journal.mjs'
import { ServeProcess } from '../support/peer-process.ts'
import { WorkerProcess } from '../support/worker-process.ts'

const KILLS = Number(process.env.WEFT_EFFECT_KILLS ?? 6)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_125)
/** A step with an effect takes about ten milliseconds: kills fall before, into and behind it. */
const KILLED_WITHIN_US = 15_000
/** One in so many falls for certain between what is done and its being recorded. */
const UNRECORDED_EVERY = 5
const TTL_MS = 100

test(`[STP-3] ${KILLS} kills around an effect: never recorded twice, and done once where its key is honoured`, async () => {
  const serve = await ServeProcess.start()
  const folder = await mkdtemp(join(tmpdir(), 'weft-effects-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const env = { URL: serve.url, TOKEN: await serve.token(), FOLDER: folder, TTL_MS: `${TTL_MS}` }
  const dice = seededDice(SEED)
  let next = new WorkerProcess('effect-worker.mjs', env)
  const keys: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const key = `invoice ${kill}`
    keys.push(key)
    const victim = next
    next = new WorkerProcess('effect-worker.mjs', env)
    expect(await victim.next()).toEqual({ ready: true })
    const stays = kill % UNRECORDED_EVERY === 0
    victim.tell({ key, stays })
    expect(await victim.next()).toEqual({ begun: key })
    const within_ms = dice(KILLED_WITHIN_US) / 1_000
    if (stays) expect(await victim.next()).toEqual({ paid: key })
    else await delay(within_ms)
    await victim.kill()
  }
  expect(await next.next()).toEqual({ ready: true })
  for (const key of keys) {
    next.tell({ key })
    expect(await next.next()).toEqual({ begun: key })
    expect(await next.next(), `seed ${SEED}`).toEqual({ done: key, value: { paid: `weft:acme:w:${key}` } })
  }

  const replica = await connect({ url: serve.url, token: await serve.token() })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Journal, { workflow: 'w', agent: 'auditor' })
  const recorded = context.effects().map(({ key }) => key)
  expect(recorded.sort(), 'each result is recorded once').toEqual([...keys].sort())
  const files = await readdir(folder)
  expect(files.filter(name => name.endsWith('.paid'))).toHaveLength(KILLS)
})
