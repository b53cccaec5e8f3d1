import { NO_NODE, type Node } from './node.js'

const BITS = 32
/** So many words of a set are one block of it. */
const BLOCK_WORDS = 8

/** A set of nodes as one bit each, made once: some kilobytes for a hundred thousand, whose numbers are near each other. */
export class NodeBits {
  readonly size: number
  /** The lowest, or `NO_NODE` of none. */
  readonly least: Node
  /** How many words below the first are left out, since nothing is in them. */
  readonly #below: number
  readonly #words: Uint32Array

  constructor(nodes: readonly Node[]) {
    this.size = nodes.length
    this.least = nodes.reduce((least, node) => Math.min(least, node), nodes[0] ?? NO_NODE)
    const most = nodes.reduce((greatest, node) => Math.max(greatest, node), NO_NODE)
    this.#below = nodes.length === 0 ? 0 : this.least >>> 5
    this.#words = new Uint32Array(Math.ceil((most + 1) / BITS) - this.#below)
    for (const node of nodes) this.#words[(node >>> 5) - this.#below]! |= 1 << (node % BITS)
  }

  has(node: Node): boolean {
    return ((this.#wordAt(node >>> 5) >>> (node % BITS)) & 1) === 1
  }

  isWithin(other: NodeBits): boolean {
    if (this.size > other.size) return false
    return this.#words.every((word, at) => (word & ~other.#wordAt(at + this.#below)) === 0)
  }

  /** The numbers of the blocks of nodes that hold any of these. */
  *blocks(): Generator<number> {
    let last = -1
    for (let at = 0; at < this.#words.length; at++) {
      const block = Math.floor((at + this.#below) / BLOCK_WORDS)
      if (this.#words[at] === 0 || block === last) continue
      last = block
      yield block
    }
  }

  /** The number of the block that a node is in. */
  static blockOf(node: Node): number {
    return Math.floor(node / BITS / BLOCK_WORDS)
  }

  /** How many nodes there are in some sets together. */
  static count(sets: readonly NodeBits[]): number {
    const end = sets.reduce((most, set) => Math.max(most, set.#below + set.#words.length), 0)
    const union = new Uint32Array(end)
    for (const set of sets) {
      for (const [at, word] of set.#words.entries()) union[at + set.#below]! |= word
    }
    let count = 0
    for (let word of union) for (; word !== 0; word &= word - 1) count++
    return count
  }

  #wordAt(index: number): number {
    return this.#words[index - this.#below] ?? 0
  }
}
