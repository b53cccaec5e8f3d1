import type { Node } from '../base/node.js'
import type { Dag } from './dag.js'

/** So many nodes fit into one pass. */
export const KIN_MAX = 32

/** How up to 32 changes stand to all others: two passes over the graph, one bit each, where a walk for each would add up. */
export class Kin {
  /** By node, a bit for each of the 32 that is this change or in its past. */
  readonly #before: Int32Array
  /** By node, a bit for each of the 32 that is this change or has it in its past. */
  readonly #after: Int32Array

  /** @param lowest the first change of those that will be asked about */
  constructor(dag: Dag, nodes: readonly Node[], lowest: Node) {
    const { size } = dag
    this.#before = new Int32Array(size)
    this.#after = new Int32Array(size)
    nodes.forEach((node, bit) => {
      this.#before[node]! |= 1 << bit
      this.#after[node]! |= 1 << bit
    })
    let [first, last] = [size, 0]
    for (const node of nodes) {
      first = Math.min(first, node)
      last = Math.max(last, node)
    }
    for (let node = first + 1; node < size; node++) {
      let bits = this.#before[node]!
      for (let i = dag.depCount(node) - 1; i >= 0; i--) bits |= this.#before[dag.dep(node, i)]!
      this.#before[node] = bits
    }
    for (let node = last; node > lowest; node--) {
      const bits = this.#after[node]!
      if (bits === 0) continue
      for (let i = dag.depCount(node) - 1; i >= 0; i--) this.#after[dag.dep(node, i)]! |= bits
    }
  }

  /** Whether the one with this index is in the past of another change. */
  isBefore(index: number, other: Node): boolean {
    return ((this.#before[other]! >>> index) & 1) === 1
  }

  /** Whether the one with this index has another change in its past. */
  isAfter(index: number, other: Node): boolean {
    return ((this.#after[other]! >>> index) & 1) === 1
  }
}
