import type { Node } from './node.js'

/** A set of nodes that only grows, as one bit each up to the highest. */
export class NodeMarks {
  #words = new Uint32Array(8)

  has(node: Node): boolean {
    return (((this.#words[node >>> 5] ?? 0) >>> (node & 31)) & 1) === 1
  }

  add(node: Node): void {
    const word = node >>> 5
    if (word >= this.#words.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.#words.length * 2))
      grown.set(this.#words)
      this.#words = grown
    }
    this.#words[word]! |= 1 << (node & 31)
  }
}
