import { NodeBits } from './node-bits.js'
import type { Node } from './node.js'

interface Held {
  readonly summary: Node
  readonly range: NodeBits
}

/** Summaries by what they stand for: one that stands for little is looked at for little. */
export class RangeIndex {
  readonly #blocks = new Map<number, Held[]>()

  add(summary: Node, range: NodeBits): void {
    const held = { summary, range }
    for (const block of range.blocks()) {
      const known = this.#blocks.get(block)
      if (known) known.push(held)
      else this.#blocks.set(block, [held])
    }
  }

  /** The summaries whose range has a node, in the order in which they were added. */
  *standingFor(node: Node): Generator<Node> {
    for (const { summary, range } of this.#blocks.get(NodeBits.blockOf(node)) ?? NONE) {
      if (range.has(node)) yield summary
    }
  }
}

const NONE: readonly never[] = []
