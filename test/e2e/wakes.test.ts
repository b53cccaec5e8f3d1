import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { seededDice } from '../support/core-property.ts'
import { Journal } from '../support/journal.mjs'
import { ServeProcess } from '../support/peer-process.ts'
import { WorkerProcess } from '../support/worker-process.ts'

const EVENTS = Number(process.env.WEFT_WAKE_EVENTS ?? 240)
const KILLS = Number(process.env.WEFT_WAKE_KILLS ?? 4)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_125)
const CLAIMANTS = 8
const EVENTS_PER_CLAIM = 20
const TTL_MS = 300

/** Workers that claim, each in a process of its own, and what they say of it. */
class Pool {
  readonly claimantOf = new Map<number, number>()
  readonly epochsOf = new Map<string, number[]>()
  killed = 0
  killedUnacknowledged = 0
  readonly #dice = seededDice(SEED)
  #begun = 0

  constructor(private readonly env: Readonly<Record<string, string>>) {}

  /** A worker, and after each that is killed the next, until all events have been handled. */
  async work(): Promise<void> {
    while (this.epochsOf.size < EVENTS) await this.#follow(new WorkerProcess('wake-worker.mjs', this.env))
  }

  async #follow(worker: WorkerProcess): Promise<void> {
    const number = this.#begun++
    let unacknowledged: unknown
    for (let said = await worker.next(); said !== undefined; said = await worker.next()) {
      if ('lines' in said) this.#handled(number, said as { epoch: number; lines: string[] })
      unacknowledged = 'lines' in said ? said.epoch : undefined
      if (this.epochsOf.size === EVENTS) return
      const due = (this.killed * EVENTS) / (KILLS + 1)
      // On what it says that it has handled, or on what it says that it has acknowledged: then it is at the next claim.
      if (worker.gone || this.killed === KILLS || this.epochsOf.size < due || this.#dice(2) === 0) continue
      this.killed++
      await worker.kill()
    }
    if (unacknowledged !== undefined) this.killedUnacknowledged++
  }

  #handled(claimant: number, { epoch, lines }: { readonly epoch: number; readonly lines: string[] }): void {
    expect(this.claimantOf.get(epoch), `epoch ${epoch} has another claimant, seed ${SEED}`).toBeUndefined()
    this.claimantOf.set(epoch, claimant)
    for (const line of lines) this.epochsOf.set(line, [...(this.epochsOf.get(line) ?? []), epoch])
  }
}

test(`[WAK-1] ${EVENTS} events to a pool of ${CLAIMANTS} with ${KILLS} kills: each is handled, by one claimant an epoch`, async () => {
  const serve = await ServeProcess.start()
  const replica = await connect({ url: serve.url, token: await serve.token() })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Journal, { workflow: 'w', agent: 'author' })
  const lines = Array.from({ length: EVENTS }, (_, index) => `line ${index}`)
  for (const line of lines.slice(0, EVENTS / 2)) context.append('line', line)
  await context.flush({ timeout_ms: 60_000 })

  const env = { URL: serve.url, TOKEN: await serve.token(), TTL_MS: `${TTL_MS}`, MAX: `${EVENTS_PER_CLAIM}` }
  const pool = new Pool(env)
  const all = Promise.race(Array.from({ length: CLAIMANTS }, () => pool.work()))
  for (const line of lines.slice(EVENTS / 2)) context.append('line', line)
  await context.flush({ timeout_ms: 60_000 })
  await all

  const again = [...pool.epochsOf.values()].filter(epochs => epochs.length > 1).length
  console.info(
    `seed ${SEED}: ${pool.claimantOf.size} claims by ${new Set(pool.claimantOf.values()).size} workers, ` +
      `${pool.killed} killed (${pool.killedUnacknowledged} of them with a claim), ${again} events handled more than once`,
  )
  expect([...pool.epochsOf.keys()].sort(), `seed ${SEED}`).toEqual([...lines].sort())
  expect(pool.killed).toBeGreaterThan(KILLS / 2)
})
