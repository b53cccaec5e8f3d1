import type { EntrySchemas, Position } from '@weft/core'
import type { Context } from '@weft/replica'
import type { Observation, Place } from './observation.js'
import type { SimProcess } from './process.js'

const POLL_MS = 5

/** What a world reads off a handle. */
export type AnyContext = Pick<
  Context<unknown, EntrySchemas>,
  | 'changes'
  | 'onChange'
  | 'onInvalidated'
  | 'stale'
  | 'audit'
  | 'branch'
  | 'heads'
  | 'frontier'
  | 'digest'
  | 'position'
>

/** Follows one handle: what arrives in its context, and what becomes stale on its branch. */
export class Watched {
  readonly #told = new Set<string>()

  /** @param first whether nobody follows this context in this process yet: then what arrives is told too */
  constructor(
    private readonly context: AnyContext,
    private readonly at: Place,
    private readonly process: string,
    private readonly see: (observation: Observation) => void,
    first: boolean,
  ) {
    for (const unit of this.#stale()) this.#told.add(unit)
    if (first) this.#follow()
    context.onInvalidated(stale => {
      for (const { entry, change } of stale) this.#told.add(entry ?? change)
    })
  }

  /** Says what the branch shows now. */
  look(): void {
    const { context } = this
    const order = [...context.audit()].map(({ change }) => change)
    const { branch, heads } = context
    this.see({
      saw: 'branch',
      at: this.at,
      process: this.process,
      branch,
      heads,
      order,
      stale: this.#stale(),
      told: this.#told,
    })
  }

  /** Says what the whole set looks like now. */
  digest(isLast = false): void {
    const { context, at, process } = this
    this.see({ saw: 'digest', at, process, frontier: context.frontier, digest: context.digest(), isLast })
  }

  /** The last word: what is shown when the log is known up to a position. */
  async tell(position: Position, process: SimProcess): Promise<void> {
    while (this.context.position < position) await process.sleep(POLL_MS)
    this.look()
    this.digest(true)
  }

  #stale(): string[] {
    return this.context.stale().map(({ entry, change }) => entry ?? change)
  }

  #follow(): void {
    const { context, at, process } = this
    const tell = (count: number): void => {
      // A set grows at its end.
      const changes = context.changes()
      for (const change of changes.slice(changes.length - count))
        this.see({ saw: 'arrived', at, process, change })
    }
    tell(context.changes().length)
    context.onChange(ids => tell(ids.length))
  }
}
