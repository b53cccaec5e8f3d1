import type { Node } from './dag.js'

const BITS = 32

/** A set of nodes as one bit each, made once: some kilobytes for a hundred thousand. */
export class NodeBits {
  readonly size: number
  readonly #words: Uint32Array

  constructor(nodes: readonly Node[]) {
    const end = nodes.reduce((most, node) => Math.max(most, node + 1), 0)
    this.size = nodes.length
    this.#words = new Uint32Array(Math.ceil(end / BITS))
    for (const node of nodes) this.#words[node >>> 5]! |= 1 << (node % BITS)
  }

  has(node: Node): boolean {
    return (((this.#words[node >>> 5] ?? 0) >>> (node % BITS)) & 1) === 1
  }

  isWithin(other: NodeBits): boolean {
    return this.#words.every((word, at) => (word & ~(other.#words[at] ?? 0)) === 0)
  }

  /** How many nodes there are in some sets together. */
  static count(sets: readonly NodeBits[]): number {
    const words = Math.max(0, ...sets.map(set => set.#words.length))
    let count = 0
    for (let at = 0; at < words; at++) {
      let word = 0
      for (const set of sets) word |= set.#words[at] ?? 0
      for (; word !== 0; word &= word - 1) count++
    }
    return count
  }
}
