import type { ChangeId, CommitIndex, Position, WeftError } from '@weft/core'
import { type Deferred, deferred } from './waiting.js'

/** Who waits for which change to become durable. Promises are made only for those who ask. */
export class Commits {
  readonly #waiting = new Map<ChangeId, Deferred<Position>>()
  readonly #refused = new Map<ChangeId, WeftError>()
  #ended: ((id: ChangeId) => WeftError) | undefined

  constructor(private readonly index: CommitIndex) {}

  settled(id: ChangeId): Promise<Position> {
    const position = this.index.positionOf(id)
    if (position !== undefined) return Promise.resolve(position)
    const known = this.#waiting.get(id)
    if (known) return known.promise
    const waiting = deferred<Position>()
    const error = this.#refused.get(id) ?? this.#ended?.(id)
    if (error) waiting.reject(error)
    else this.#waiting.set(id, waiting)
    return waiting.promise
  }

  committed(id: ChangeId, position: Position): void {
    this.#waiting.get(id)?.resolve(position)
    this.#waiting.delete(id)
  }

  wasRefused(id: ChangeId): boolean {
    return this.#refused.has(id)
  }

  /** Why the peer did not take one of these. */
  refusalOf(ids: Iterable<ChangeId>): WeftError | undefined {
    for (const id of ids) if (this.#refused.has(id)) return this.#refused.get(id)
    return undefined
  }

  refused(ids: Iterable<ChangeId>, error: WeftError): void {
    for (const id of ids) {
      this.#refused.set(id, error)
      this.#waiting.get(id)?.reject(error)
      this.#waiting.delete(id)
    }
  }

  /** No more acknowledgements will come: why, for all who wait and who will ask. */
  end(why: (id: ChangeId) => WeftError): void {
    this.#ended ??= why
    for (const [id, waiting] of this.#waiting) waiting.reject(why(id))
    this.#waiting.clear()
  }
}
