import type { Node } from './dag.js'

const BITS = 32

/** A set of nodes as one bit each, made once: some kilobytes for a hundred thousand. */
export class NodeBits {
  readonly size: number
  readonly #words: Uint32Array

  constructor(nodes: readonly Node[]) {
    const highest = nodes.reduce((most, node) => Math.max(most, node), -1)
    this.size = nodes.length
    this.#words = new Uint32Array((highest >>> 5) + 1)
    for (const node of nodes) this.#words[node >>> 5]! |= 1 << (node % BITS)
  }

  has(node: Node): boolean {
    return (((this.#words[node >>> 5] ?? 0) >>> (node % BITS)) & 1) === 1
  }

  isWithin(other: NodeBits): boolean {
    return this.#words.every((word, at) => (word & ~(other.#words[at] ?? 0)) === 0)
  }

  *[Symbol.iterator](): Generator<Node> {
    for (let node = 0; node < this.#words.length * BITS; node++) if (this.has(node)) yield node
  }
}
