import { IntList } from './int-list.js'

const NONE = -1

/** Arrows from small whole numbers to others, in three typed arrays: lists of their own would lie scattered in memory. */
export class Arrows {
  readonly #lastFrom = new IntList()
  readonly #to = new IntList()
  /** By arrow, the one before it that leaves the same number. */
  readonly #before = new IntList()

  add(from: number, to: number): void {
    while (this.#lastFrom.length <= from) this.#lastFrom.push(NONE)
    this.#before.push(this.#lastFrom.at(from))
    this.#lastFrom.set(from, this.#to.length)
    this.#to.push(to)
  }

  /** Calls back with each number that an arrow leads to, the latest first. */
  each(from: number, visit: (to: number) => void): void {
    if (from >= this.#lastFrom.length) return
    for (let at = this.#lastFrom.at(from); at !== NONE; at = this.#before.at(at)) visit(this.#to.at(at))
  }
}
