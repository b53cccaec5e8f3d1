import { IntList } from './int-list.js'

const ABSENT = -1

export interface ReadonlyNodeSet extends Iterable<number> {
  readonly size: number
  has(item: number): boolean
}

/**
 * A set of small whole numbers that adds and removes in O(1) without allocating, where a `Set` under steady exchange of
 * its items is rehashed again and again. Iterates in no particular order.
 */
export class NodeSet implements ReadonlyNodeSet {
  readonly #items = new IntList()
  /** Where an item stands in `#items`, or `ABSENT`. */
  readonly #places = new IntList()

  get size(): number {
    return this.#items.length
  }

  has(item: number): boolean {
    return item < this.#places.length && this.#places.at(item) !== ABSENT
  }

  /** Adds a number that is not here. */
  add(item: number): void {
    while (this.#places.length <= item) this.#places.push(ABSENT)
    this.#places.set(item, this.#items.length)
    this.#items.push(item)
  }

  /** Removes a number if it is here; the last takes its place. */
  delete(item: number): void {
    const place = item < this.#places.length ? this.#places.at(item) : ABSENT
    if (place === ABSENT) return
    const last = this.#items.pop()
    this.#items.set(place, last)
    this.#places.set(last, place)
    this.#places.set(item, ABSENT)
  }

  [Symbol.iterator](): Generator<number> {
    return this.#items[Symbol.iterator]()
  }
}
