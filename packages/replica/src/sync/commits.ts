import type { ChangeId, CommitIndex, Position, WeftError } from '@weft/core'
import { type Deferred, deferred } from '../base/waiting.js'

/**
 * Why the peer refused one change, if it did. That holds all that was withdrawn with it, so nobody keeps it here but who
 * may ask: it goes with the receipt.
 */
export interface Outcome {
  refusal: WeftError | undefined
}

/** What somebody relies on, as long as they do. */
export interface Reliance extends Outcome {
  end(): void
}

/** Who waits for which change to become durable. Promises are made only for those who ask. */
export class Commits {
  readonly #waiting = new Map<ChangeId, Deferred<Position>>()
  readonly #unanswered = new Map<ChangeId, Outcome>()
  /** Of what was refused when the peer had lost it: its receipt was let go of as it was acknowledged. */
  readonly #afterLoss = new Map<ChangeId, WeftError>()
  readonly #reliances = new Map<Outcome, readonly ChangeId[]>()
  #ended: ((id: ChangeId) => WeftError) | undefined

  constructor(private readonly index: CommitIndex) {}

  /** Of how many changes anything is kept here that is to be told when they become durable. */
  get size(): number {
    return this.#waiting.size + this.#unanswered.size + this.#afterLoss.size
  }

  /** @returns for its receipt, to ask by when it may have been refused */
  began(id: ChangeId): Outcome {
    const outcome: Outcome = { refusal: undefined }
    this.#unanswered.set(id, outcome)
    return outcome
  }

  /** @param outcome of a change that need not be here any more */
  settled(id: ChangeId, outcome?: Outcome): Promise<Position> {
    const position = this.index.positionOf(id)
    if (position !== undefined) return Promise.resolve(position)
    const known = this.#waiting.get(id)
    if (known) return known.promise
    const waiting = deferred<Position>()
    const error = outcome?.refusal ?? this.#afterLoss.get(id) ?? this.#ended?.(id)
    if (error) waiting.reject(error)
    else this.#waiting.set(id, waiting)
    return waiting.promise
  }

  committed(id: ChangeId, position: Position): void {
    this.#waiting.get(id)?.resolve(position)
    this.#waiting.delete(id)
    this.#unanswered.delete(id)
    this.#afterLoss.delete(id)
  }

  /** Says from now on whether the peer has refused one of these. */
  relyOn(ids: readonly ChangeId[]): Reliance {
    const reliance: Reliance = { refusal: undefined, end: () => void this.#reliances.delete(reliance) }
    this.#reliances.set(reliance, ids)
    return reliance
  }

  refused(ids: readonly ChangeId[], error: WeftError): void {
    for (const id of ids) {
      const outcome = this.#unanswered.get(id)
      if (outcome) outcome.refusal = error
      else this.#afterLoss.set(id, error)
      this.#unanswered.delete(id)
      this.#waiting.get(id)?.reject(error)
      this.#waiting.delete(id)
    }
    const refused = new Set(ids)
    for (const [reliance, on] of this.#reliances)
      if (on.some(id => refused.has(id))) reliance.refusal ??= error
  }

  /** No more acknowledgements will come: why, for all who wait and who will ask. */
  end(why: (id: ChangeId) => WeftError): void {
    this.#ended ??= why
    for (const [id, waiting] of this.#waiting) waiting.reject(why(id))
    this.#waiting.clear()
  }

  /** They will come after all. */
  resume(): void {
    this.#ended = undefined
  }
}
