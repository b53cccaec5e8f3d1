import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeId, Position } from '@weft/core'
import { type Context, connect, type Replica } from '@weft/replica'
import { CountedJournal } from './counted-journal.mjs'
import { until } from './peer-until.ts'

type JournalContext = Context<{ count: Record<string, number> }, (typeof CountedJournal)['entries']>

const PATIENCE_MS = 60_000
/** A few hundred changes a second: what is written while processes start stays little enough to look for. */
const WRITES_PER_PAUSE = 2
const PAUSE_MS = 8

export interface Acked {
  readonly id: ChangeId
  readonly position: Position
}

export interface Rollback {
  readonly had: Position
  readonly has: Position
}

export interface WriterOptions {
  readonly url: string
  readonly token: string
  readonly workflow: string
  readonly agent: string
  /** What the n-th entry says. */
  readonly line?: (n: number) => string
  readonly underWay_max?: number
}

/** Writes at a steady pace, a state change in every tenth, and keeps what was acknowledged, and where, in that order. */
export class AckedWriter {
  readonly written: ChangeId[] = []
  readonly acked: (Acked & { readonly index: number })[] = []
  readonly rollbacks: Rollback[]
  /** Why changes were refused: nothing here should be. */
  readonly refused: unknown[] = []
  #stopped = false
  #writing: Promise<void> | undefined

  static async start(options: WriterOptions): Promise<AckedWriter> {
    const { url, token, workflow, agent } = options
    const rollbacks: Rollback[] = []
    const replica = await connect({
      url,
      token,
      timeout_ms: PATIENCE_MS,
      onEvent: event => event.type === 'rollback' && rollbacks.push(event),
    })
    const context = await replica.open(CountedJournal, { workflow, agent, timeout_ms: PATIENCE_MS })
    const writer = new AckedWriter(replica, context, rollbacks, options)
    writer.#writing = writer.#write()
    return writer
  }

  private constructor(
    private readonly replica: Replica,
    readonly context: JournalContext,
    rollbacks: Rollback[],
    private readonly options: WriterOptions,
  ) {
    this.rollbacks = rollbacks
  }

  /** Resolves when something that it wrote after the call is acknowledged. */
  async goesOn(): Promise<void> {
    const next = this.written.length
    await until(() => (this.acked.at(-1)?.index ?? -1) >= next, `${this.context.agent} goes on`, PATIENCE_MS)
  }

  /** Writes no more; resolves when all is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#writing
    await this.context.flush({ timeout_ms: PATIENCE_MS })
  }

  close(): Promise<void> {
    this.#stopped = true
    return this.replica.close({ discard: true })
  }

  async #write(): Promise<void> {
    const { agent } = this.context
    const { underWay_max = 200, line = n => `${agent} ${n}` } = this.options
    for (let n = 0; !this.#stopped; n++) {
      const receipt =
        n % 10 === 9
          ? this.context.change(state => {
              state.count[agent] = n
            })
          : this.context.append('line', line(n))
      const id = receipt.change!
      const index = this.written.push(id) - 1
      receipt.committed.then(
        position => this.acked.push({ index, id, position }),
        error => this.refused.push(error),
      )
      await until(
        () => this.written.length - this.acked.length < underWay_max || this.#stopped,
        'there is room',
        PATIENCE_MS,
      )
      if (n % WRITES_PER_PAUSE === 0) await sleep(PAUSE_MS)
    }
  }
}
