import { type ChangeId, decodeChange, type Hash, type Preconditions } from '@weft/core'

/** What it costs to take a change, beside its bytes: as much as so many bytes more. */
export const CHANGE_COST = 512

/** The changes of one frame, as far as nobody has looked at them. */
export class Offering {
  #next = 0
  #cost: number

  constructor(
    readonly channel: number,
    private readonly changes: readonly Uint8Array[],
    readonly preconditions: Preconditions | undefined,
    private readonly hash: Hash,
  ) {
    this.#cost = changes.reduce((sum, change) => sum + costOf(change), 0)
  }

  /** Of what is left; 0 when all is taken. */
  get cost(): number {
    return this.#cost
  }

  /** The next changes, in their order: one, and more until they cost `cost_max`. */
  take(cost_max: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    for (let cost = 0; cost < cost_max && this.#next < this.changes.length; ) {
      const change = this.changes[this.#next++]!
      cost += costOf(change)
      this.#cost -= costOf(change)
      taken.push(change)
    }
    return taken
  }

  /** Of what is left; empty for what cannot be read. */
  get ids(): readonly (ChangeId | '')[] {
    return this.changes.slice(this.#next).map(bytes => {
      try {
        return decodeChange(bytes, this.hash).id
      } catch {
        return ''
      }
    })
  }
}

function costOf(change: Uint8Array): number {
  return change.length + CHANGE_COST
}
