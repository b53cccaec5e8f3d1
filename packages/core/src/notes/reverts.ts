import { NO_NODE, type Node } from '../base/node.js'
import { unpackIds } from '../change/header.js'
import type { Dag } from '../graph/dag.js'
import type { View } from '../graph/view.js'

/**
 * Which changes of a context revert which (STP-4). A revert stands unless a revert that stands names it; so what is
 * reverted on a view follows from the changes visible there, and a reverted revert gives back what it had undone.
 */
export class Reverts {
  /** In order of arrival, so behind what they name. */
  readonly #named = new Map<Node, readonly Node[]>()

  constructor(private readonly dag: Dag) {}

  /** Takes in a change that reverts others. It cannot revert what its author had not seen. */
  add(node: Node, packed: Uint8Array): void {
    const named = unpackIds(packed)
      .map(id => this.dag.find(id))
      .filter(each => each !== NO_NODE)
    this.#named.set(node, named.filter(this.dag.behind(named, [node])))
  }

  /** Whether any change of the context reverts another. */
  get any(): boolean {
    return this.#named.size > 0
  }

  has(node: Node): boolean {
    return this.#named.has(node)
  }

  /** The changes that revert others, in order of arrival. */
  nodes(): Iterable<Node> {
    return this.#named.keys()
  }

  /** What the change at `node` reverts. */
  namedBy(node: Node): readonly Node[] {
    return this.#named.get(node) ?? NONE
  }

  /**
   * The changes that are reverted on a view, each with the reverts that stand against it, by id.
   * @param also reverted too, as if one more change named them
   * @param without reverts that do not count
   */
  standing(
    view: Pick<View, 'has'>,
    also: readonly Node[] = NONE,
    without: ReadonlySet<Node> = NOTHING,
  ): ReadonlyMap<Node, readonly Node[]> {
    if (this.#named.size === 0 && also.length === 0) return NOT_REVERTED
    const reverted = new Map<Node, Node[]>(also.map(node => [node, []]))
    for (const [node, named] of [...this.#named].reverse()) {
      if (reverted.has(node) || without.has(node) || !view.has(node)) continue
      for (const each of named) {
        const by = reverted.get(each)
        if (by) by.push(node)
        else reverted.set(each, [node])
      }
    }
    // They came in another order elsewhere.
    for (const by of reverted.values()) if (by.length > 1) by.sort((a, b) => this.dag.compareIds(a, b))
    return reverted
  }
}

const NONE: readonly never[] = []
const NOTHING: ReadonlySet<Node> = new Set()
const NOT_REVERTED: ReadonlyMap<Node, readonly Node[]> = new Map()
