import { IntList } from '../base/int-list.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Dag } from './dag.js'

/**
 * The **cuts** of a growing set of changes: those that had all others in their past when they came. What came before a
 * cut is behind whoever has the cut behind itself, so that nothing need be walked in a history that ran together since.
 */
export class Cuts {
  /** By node, where the last cut stands that it is or has in its past; `NO_NODE` for none. */
  readonly #cuts = new IntList()
  /** By node, 1 while nothing in the set depends on it. */
  readonly #isHead = new IntList()
  #heads = 0

  constructor(private readonly dag: Dag) {}

  /** Adds a change whose deps are here. @param place its place, above those of all that came before */
  add(node: Node, place: number): void {
    while (this.#cuts.length <= node) {
      this.#cuts.push(NO_NODE)
      this.#isHead.push(0)
    }
    let cut = NO_NODE
    for (let i = this.dag.depCount(node) - 1; i >= 0; i--) {
      const dep = this.dag.dep(node, i)
      cut = Math.max(cut, this.#cuts.at(dep))
      this.#heads -= this.#isHead.at(dep)
      this.#isHead.set(dep, 0)
    }
    this.#heads += 1 - this.#isHead.at(node)
    this.#isHead.set(node, 1)
    this.#cuts.set(node, this.#heads === 1 ? place : cut)
  }

  /** The place up to which all that came is a change of the set, or in its past. */
  at(node: Node): number {
    return this.#cuts.at(node)
  }
}
