import type { FlattenOrder } from '../base/flatten-order.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Dag } from './dag.js'
import type { OrderTree } from './order.js'

/**
 * All nodes that `visible` admits, in order, in O(n) plus the sorting of siblings. The set must be causally closed.
 */
export function flatten(
  dag: Dag,
  tree: OrderTree,
  visible: (node: Node) => boolean,
  order: FlattenOrder,
): Node[] {
  if (order === 'interleaved') {
    const nodes: Node[] = []
    for (let node = 0; node < dag.size; node++) if (visible(node)) nodes.push(node)
    return nodes.sort((a, b) => tree.compareInterleaved(a, b))
  }
  return preOrder(dag.size, tree, visible)
}

/** Nodes are visited children-last-first from a stack; most have one child, which needs no sorting. */
function preOrder(size: number, tree: OrderTree, visible: (node: Node) => boolean): Node[] {
  const firstChild = new Int32Array(size + 1).fill(NO_NODE)
  const nextSibling = new Int32Array(size).fill(NO_NODE)
  for (let node = size - 1; node >= 0; node--) {
    if (!visible(node)) continue
    const slot = tree.parent(node) + 1
    nextSibling[node] = firstChild[slot]!
    firstChild[slot] = node
  }
  const sorted: Node[] = []
  const stack: Node[] = []
  const siblings: Node[] = []
  const pushChildren = (slot: number): void => {
    const first = firstChild[slot]!
    if (first === NO_NODE) return
    if (nextSibling[first] === NO_NODE) {
      stack.push(first)
      return
    }
    siblings.length = 0
    for (let child = first; child !== NO_NODE; child = nextSibling[child]!) siblings.push(child)
    siblings.sort((a, b) => tree.compareSiblings(b, a))
    for (const sibling of siblings) stack.push(sibling)
  }
  pushChildren(0)
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    sorted.push(node)
    pushChildren(node + 1)
  }
  return sorted
}
