import { AckedWriter } from '../support/acked-writer.ts'
import type { Dice } from '../support/core-property.ts'
import type { ServeProcess } from '../support/peer-process.ts'
import { until } from '../support/peer-until.ts'
import { type Address, type Bound, keyOf } from './judge.ts'

/** Equal workflow ids of two tenants; a context that two write to, and one that one does. */
const WRITERS = [
  { tenant: 'acme', workflow: 'w-1', agent: 'ada' },
  { tenant: 'acme', workflow: 'w-1', agent: 'bob' },
  { tenant: 'acme', workflow: 'w-2', agent: 'cyd' },
  { tenant: 'globex', workflow: 'w-1', agent: 'dee' },
] as const

/** One in so many entries is longer than a block of LevelDB's journal, so that its batch lies in several. */
const LONG_ONE_IN = 40
const LONG_CHARS = 100_000
const SHORT_CHARS = 3_000
const NOISE_CHARS = 2 * LONG_CHARS
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const UNDER_WAY_MAX = 12
const PATIENCE_MS = 60_000

interface Lane {
  readonly address: Address
  readonly writer: AckedWriter
}

/** Writers of several contexts, with a few changes of each under way at any time. */
export class Load {
  private constructor(private readonly lanes: readonly Lane[]) {}

  static async start(serve: ServeProcess, dice: Dice): Promise<Load> {
    const line = lineMaker(dice)
    const lanes: Lane[] = []
    for (const { tenant, workflow, agent } of WRITERS) {
      const token = await serve.token(tenant)
      const options = { url: serve.url, token, workflow, agent, line, underWay_max: UNDER_WAY_MAX }
      lanes.push({ address: { tenant, workflow }, writer: await AckedWriter.start(options) })
    }
    return new Load(lanes)
  }

  get acked(): number {
    return this.lanes.reduce((sum, { writer }) => sum + writer.acked.length, 0)
  }

  /** Why changes were refused: none should be. */
  get refused(): unknown[] {
    return this.lanes.flatMap(({ writer }) => writer.refused)
  }

  /**
   * The contexts of which nobody was told that the peer has gone back. Of two who write to one the second may find that the
   * first has brought all of it already.
   */
  get untold(): string[] {
    const told = this.lanes.filter(({ writer }) => writer.rollbacks.length > 0)
    const known = new Set(told.map(({ address }) => keyOf(address)))
    return [...new Set(this.lanes.map(({ address }) => keyOf(address)))].filter(key => !known.has(key))
  }

  /** A moment: how much each had been acknowledged. Cheap, for it is taken while they write. */
  mark(): readonly number[] {
    return this.lanes.map(({ writer }) => writer.acked.length)
  }

  /** What had been acknowledged at a moment. */
  bound(mark = this.mark()): Bound[] {
    return this.lanes.flatMap(({ address, writer }, index) => {
      const bytes = new Map(writer.context.changes().map(change => [change.id, change.bytes]))
      const acked = writer.acked.slice(0, mark[index])
      return acked.map(({ id, position }) => ({ ...address, id, position, bytes: bytes.get(id)! }))
    })
  }

  /** Resolves when more has been acknowledged, in all. */
  async grows(by: number): Promise<void> {
    const enough = this.acked + by
    await until(() => this.acked >= enough, 'more is acknowledged', PATIENCE_MS)
  }

  /** Resolves when each has written something that was acknowledged since. */
  async goesOn(): Promise<void> {
    await Promise.all(this.lanes.map(({ writer }) => writer.goesOn()))
  }

  /**
   * Ends the writing. Resolves when everything that was ever written is acknowledged and has come to every replica of its
   * context. @returns how many changes there are in each context, by its key
   */
  async settle(): Promise<ReadonlyMap<string, number>> {
    await Promise.all(this.lanes.map(({ writer }) => writer.stop()))
    const counts = new Map<string, number>()
    // The initial state is a change, too.
    for (const { address, writer } of this.lanes)
      counts.set(keyOf(address), (counts.get(keyOf(address)) ?? 1) + writer.written.length)
    for (const { address, writer } of this.lanes) {
      const count = counts.get(keyOf(address))
      await writer.context.until(() => writer.context.position === count, { timeout_ms: PATIENCE_MS })
    }
    return counts
  }

  close(): Promise<unknown> {
    return Promise.all(this.lanes.map(({ writer }) => writer.close()))
  }
}

function lineMaker(dice: Dice): () => string {
  // Random, so that the tables of LevelDB do not shrink; made once, for dice are slow.
  const noise = Array.from({ length: NOISE_CHARS }, () => ALPHABET[dice(ALPHABET.length)]).join('')
  return () => {
    const length = 1 + dice(dice(LONG_ONE_IN) === 0 ? LONG_CHARS : SHORT_CHARS)
    const from = dice(noise.length - length)
    return noise.slice(from, from + length)
  }
}
