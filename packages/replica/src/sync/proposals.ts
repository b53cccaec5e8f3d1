import type { Change, ChangeId, Position, WeftError } from '@weft/core'
import { type Deferred, deferred } from '../base/waiting.js'

interface Open {
  readonly change: Change
  readonly accepted: Deferred<Position>
}

/** Changes that were offered on condition: nobody sees them here before the log has them (DUR-6). */
export class Proposals {
  readonly #open = new Map<ChangeId, Open>()

  get size(): number {
    return this.#open.size
  }

  /** Resolves when the log has it; rejects when the peer refuses it. */
  add(change: Change): Promise<Position> {
    const accepted = deferred<Position>()
    this.#open.set(change.id, { change, accepted })
    return accepted.promise
  }

  get(id: ChangeId): Change | undefined {
    return this.#open.get(id)?.change
  }

  accepted(id: ChangeId, position: Position): void {
    this.#open.get(id)?.accepted.resolve(position)
    this.#open.delete(id)
  }

  /** Whether it was one of these. */
  refused(id: ChangeId, error: WeftError): boolean {
    this.#open.get(id)?.accepted.reject(error)
    return this.#open.delete(id)
  }

  /** No answer will come any more. */
  end(why: (id: ChangeId) => WeftError): void {
    for (const [id, { accepted }] of this.#open) accepted.reject(why(id))
    this.#open.clear()
  }
}
