import type { Node } from './node.js'

const BLOCK_MAX = 512

/**
 * Nodes kept sorted by a comparator, in blocks, so that an insertion into a hundred thousand moves at most one block.
 */
export class SortedNodes {
  length = 0
  #blocks: Node[][] = []

  constructor(private readonly compare: (a: Node, b: Node) => number) {}

  /** Takes over a list that is sorted already. */
  reset(sorted: readonly Node[]): void {
    this.#blocks = []
    for (let at = 0; at < sorted.length; at += BLOCK_MAX / 2)
      this.#blocks.push(sorted.slice(at, at + BLOCK_MAX / 2))
    this.length = sorted.length
  }

  get last(): Node | undefined {
    return this.#blocks.at(-1)?.at(-1)
  }

  push(node: Node): void {
    const block = this.#blocks.at(-1)
    if (block && block.length < BLOCK_MAX) block.push(node)
    else this.#blocks.push([node])
    this.length++
  }

  insert(node: Node): void {
    this.length++
    if (this.#blocks.length === 0) {
      this.#blocks.push([node])
      return
    }
    const at = Math.max(0, this.#blockFrom(node) - 1)
    const block = this.#blocks[at]!
    block.splice(this.#indexFrom(block, node), 0, node)
    if (block.length > BLOCK_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_MAX / 2))
  }

  /** The place, from 0, of a node that is here. */
  indexOf(node: Node): number {
    const next = this.#blockFrom(node)
    const at = this.#blocks[next]?.[0] === node ? next : next - 1
    let before = 0
    for (let i = 0; i < at; i++) before += this.#blocks[i]!.length
    return before + this.#indexFrom(this.#blocks[at]!, node)
  }

  *[Symbol.iterator](): Generator<Node> {
    for (const block of this.#blocks) for (const node of block) yield node
  }

  *backwards(): Generator<Node> {
    for (let at = this.#blocks.length - 1; at >= 0; at--) {
      const block = this.#blocks[at]!
      for (let index = block.length - 1; index >= 0; index--) yield block[index]!
    }
  }

  toArray(): Node[] {
    return this.#blocks.flat()
  }

  /** The first block that begins with `node` or what comes after it. */
  #blockFrom(node: Node): number {
    return this.#search(this.#blocks.length, index => this.#blocks[index]![0]!, node)
  }

  #indexFrom(block: readonly Node[], node: Node): number {
    return this.#search(block.length, index => block[index]!, node)
  }

  /** Index of the first item that is `node` or comes after it. */
  #search(length: number, item: (index: number) => Node, node: Node): number {
    let low = 0
    let high = length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(item(middle), node) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
