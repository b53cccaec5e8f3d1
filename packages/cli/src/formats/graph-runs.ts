import type { BranchName, ChangeId, Node, Position } from '@weft/core'
import { type ContextCopy, positionOf } from '../logs/context-copy.js'
import type { GraphNode } from './graph-layout.js'

/** Changes of one branch, one after the other with nothing between, drawn as one node. */
export interface Run extends GraphNode {
  /** The id of its last change. */
  readonly id: ChangeId
  readonly first: ChangeId
  readonly branch: BranchName
  readonly changes: number
  readonly kinds: readonly string[]
  readonly agents: readonly string[]
  /** Positions of its first and last change in the log, as far as they are known. */
  readonly positions: readonly [Position | undefined, Position | undefined]
  readonly forks: readonly BranchName[]
  readonly merges: readonly BranchName[]
  readonly abandons: readonly BranchName[]
}

/**
 * The causal graph of a context as runs, flattened. A fork, a merge or what abandons is always a run of its own; with `single` every
 * change is.
 */
export function graphRuns(copy: ContextCopy, single = false): Run[] {
  const { set } = copy
  const parents = new Map<Node, Node[]>()
  const childCount = new Map<Node, number>()
  const order = [...set.everything().flatten()]
  for (const node of order) {
    const above = set.maximal(depsOf(copy, node))
    parents.set(node, above)
    for (const parent of above) childCount.set(parent, (childCount.get(parent) ?? 0) + 1)
  }
  const runs: Node[][] = []
  const runOf = new Map<Node, Node[]>()
  for (const node of order) {
    const above = parents.get(node)!
    const only = above.length === 1 ? above[0]! : undefined
    const joins = !single && only !== undefined && childCount.get(only) === 1 && continues(copy, only, node)
    const run = joins ? runOf.get(only)! : []
    if (!joins) runs.push(run)
    run.push(node)
    runOf.set(node, run)
  }
  return runs.map(run => describe(copy, run, parents.get(run[0]!)!))
}

function depsOf({ set: { dag } }: ContextCopy, node: Node): Node[] {
  return Array.from({ length: dag.depCount(node) }, (_, index) => dag.dep(node, index))
}

function continues({ set }: ContextCopy, before: Node, node: Node): boolean {
  const [a, b] = [set.change(before).header, set.change(node).header]
  return (
    a.branch === b.branch &&
    [a, b].every(({ notes }) => !notes.forks?.length && !notes.merges && !notes.abandons)
  )
}

function describe(copy: ContextCopy, run: readonly Node[], parents: readonly Node[]): Run {
  const { set } = copy
  const headers = run.map(node => set.change(node).header)
  const [first, last] = [run[0]!, run.at(-1)!]
  const { branch, notes } = headers.at(-1)!
  return {
    id: set.dag.id(last),
    first: set.dag.id(first),
    branch,
    // A parent has run on to its own end: whoever is not the last of its run has one child, in that run.
    parents: set.ids(parents),
    changes: run.length,
    kinds: headers.flatMap(({ kinds }) => kinds),
    agents: [...new Set(headers.map(({ agent }) => agent))],
    positions: [positionOf(copy, first), positionOf(copy, last)],
    forks: notes.forks ?? [],
    merges: Object.keys(notes.merges ?? {}).filter(name => name !== branch),
    abandons: notes.abandons ?? [],
  }
}
