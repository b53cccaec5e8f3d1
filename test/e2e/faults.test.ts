import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ChangeId, ChangeSet, decodeChange } from '@weft/core'
import { type Context, connect, defineContext, type Receipt } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { seededDice, sha256 } from '../support/core-property.ts'
import { ServeProcess } from '../support/peer-process.ts'
import { until } from '../support/peer-until.ts'

const Journal = defineContext({
  name: 'journal',
  version: 1,
  state: z.object({ count: z.record(z.string(), z.number()) }),
  entries: { line: z.string() },
  initial: { count: {} },
})
type JournalContext = Context<{ count: Record<string, number> }, (typeof Journal)['entries']>

const WRITERS = 3
const KILLS = 5
const UNDER_WAY_MAX = 200

/** Writes without pause, a state change in every tenth, and keeps what was acknowledged and where. */
class Writer {
  readonly written: ChangeId[] = []
  readonly acked = new Map<ChangeId, number>()
  #stopped = false

  static async start(serve: ServeProcess, agent: string): Promise<Writer> {
    const replica = await connect({ url: serve.url, token: await serve.token() })
    onTestFinished(() => replica.close({ discard: true }))
    return new Writer(await replica.open(Journal, { workflow: 'w', agent }))
  }

  private constructor(readonly context: JournalContext) {}

  async write(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const { agent } = this.context
      this.#wrote(
        n % 10 === 9
          ? this.context.change(state => {
              state.count[agent] = n
            })
          : this.context.append('line', `${agent} ${n}`),
      )
      await until(
        () => this.written.length - this.acked.size < UNDER_WAY_MAX || this.#stopped,
        'there is room',
      )
      await nextTurn()
    }
  }

  stop(): void {
    this.#stopped = true
  }

  #wrote({ change, committed }: Receipt): void {
    this.written.push(change!)
    void committed.then(position => this.acked.set(change!, position))
  }
}

test('[DUR-1] a peer killed five times under writing replicas has lost nothing that it acknowledged', async () => {
  const serve = await ServeProcess.start()
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, (_, n) => Writer.start(serve, `agent-${n}`)),
  )
  const writing = writers.map(writer => writer.write())
  const acked = (): number => writers.reduce((sum, writer) => sum + writer.acked.size, 0)
  const dice = seededDice(1)
  for (let kill = 0; kill < KILLS; kill++) {
    const next = acked() + 50 + dice(300)
    await until(() => acked() >= next, 'it has acknowledged more')
    await serve.end('SIGKILL')
    await serve.start()
  }
  const enough = acked() + 100
  await until(() => acked() >= enough, 'they go on after the last kill')
  for (const writer of writers) writer.stop()
  await Promise.all(writing)
  await Promise.all(writers.map(writer => writer.context.flush({ timeout_ms: 30_000 })))
  const total = writers.reduce((sum, writer) => sum + writer.written.length, 1)
  await Promise.all(writers.map(({ context }) => context.until(() => context.position === total)))
  expect(new Set(writers.map(({ context }) => context.digest())).size).toBe(1)
  expect(await serve.end('SIGTERM')).toBe(0)

  const store = await openLevelStore(serve.data)
  const log = await store.tenant('acme').read('w', 1, Number.MAX_SAFE_INTEGER)
  await store.close()
  const set = new ChangeSet(sha256)
  // It throws at a change whose deps have not come before it (DUR-2).
  for (const { bytes } of log) set.add(decodeChange(bytes, sha256))
  expect(log).toHaveLength(total)
  const lost = writers.flatMap(writer =>
    [...writer.acked].filter(([id, position]) => log[position - 1]?.id !== id),
  )
  expect(lost).toEqual([])
  for (const writer of writers) expect(writer.acked.size).toBe(writer.written.length)
})
