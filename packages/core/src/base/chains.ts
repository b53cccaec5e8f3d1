import type { Node } from './node.js'

/** Something that a change did, and where that change stands in the order of arrival. */
export interface Placed {
  readonly node: Node
  readonly place: number
}

/** What one actor did, in its order: who has seen one has seen those before it. */
export interface Chain<T extends Placed> {
  readonly actor: number
  readonly items: T[]
}

/** Chains by actor, so that those are met alone which go on after a place. */
export class Chains<T extends Placed> {
  readonly #byActor = new Map<number, Chain<T>>()
  /** The one that was added to last is the last. */
  readonly #recent: Chain<T>[] = []

  /** The chain of an actor, to which the caller adds what has come last. */
  growing(actor: number): Chain<T> {
    const known = this.#byActor.get(actor)
    if (known && known === this.#recent.at(-1)) return known
    const chain = known ?? { actor, items: [] }
    if (known) this.#recent.splice(this.#recent.lastIndexOf(known), 1)
    else this.#byActor.set(actor, chain)
    this.#recent.push(chain)
    return chain
  }

  of(actor: number): Chain<T> | undefined {
    return this.#byActor.get(actor)
  }

  /** Those with anything that came after a place. */
  *since(place: number): Generator<Chain<T>> {
    for (let at = this.#recent.length - 1; at >= 0; at--) {
      const chain = this.#recent[at]!
      if (chain.items.at(-1)!.place <= place) return
      yield chain
    }
  }
}

/** How many items at the front of a list something holds for, when it holds for none behind one that it does not hold for. */
export function countWhile<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
