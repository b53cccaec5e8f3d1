import { NO_NODE, type Node } from '../base/node.js'
import type { Dag } from './dag.js'

/** The nodes of `heads` that are not in the past of another one. */
export function maximal(dag: Dag, heads: Iterable<Node>): Node[] {
  const all = [...heads]
  // Most branches have one.
  if (all.length <= 1) return all
  const nodes = [...new Set(all)]
  const isBehind = dag.behind(nodes, nodes)
  return nodes.filter(node => !isBehind(node))
}

/** What is found out about a node; 0 is nothing. */
const UNSEEN = 1
const KNOWN = 2

/**
 * Those of `from` and their past that are neither among `known` nor in the past of these, the last to come first. Looks
 * at nothing that came before the first of them.
 */
export function unseen(dag: Dag, from: Iterable<Node>, known: readonly Node[]): Node[] {
  const begin = [...from]
  let last = NO_NODE
  for (const nodes of [begin, known]) for (const node of nodes) last = Math.max(last, node)
  const marks = new Uint8Array(last + 1)
  let open = 0
  const mark = (node: Node, as: number): void => {
    if (marks[node] === UNSEEN && as === KNOWN) open--
    if (marks[node] === 0 && as === UNSEEN) open++
    if (marks[node] !== KNOWN) marks[node] = as
  }
  for (const node of begin) mark(node, UNSEEN)
  for (const node of known) mark(node, KNOWN)
  const found: Node[] = []
  // A node's deps have lower numbers, so what is to be found out about it is settled when its turn comes.
  for (let node = last; open > 0; node--) {
    const as = marks[node]!
    if (as === 0) continue
    if (as === UNSEEN) {
      found.push(node)
      open--
    }
    for (let i = dag.depCount(node) - 1; i >= 0; i--) mark(dag.dep(node, i), as)
  }
  return found
}

/** A node and all that have it in their past. */
export function withDescendants(dag: Dag, node: Node): Set<Node> {
  const found = new Set([node])
  for (let next = node + 1; next < dag.size; next++) {
    for (let i = dag.depCount(next) - 1; i >= 0; i--) if (found.has(dag.dep(next, i))) found.add(next)
  }
  return found
}
