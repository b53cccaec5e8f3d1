import { WeftError } from '../base/errors.js'
import type { AgentId, BranchName, ChangeId, EntryId } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { isEngineKind } from '../refs/engine-kinds.js'
import { pointersOf } from '../refs/ref.js'
import { unpackIds } from '../change/header.js'
import { unseen } from '../graph/frontier.js'
import type { ChangeSet } from '../set/change-set.js'
import { type Conflict, findConflicts } from '../state/conflicts.js'
import { StateDoc } from '../state/state-doc.js'
import type { Stale } from '../staleness/stale.js'
import { staleByMerge } from './merge-stale.js'

/** What one merged branch brought that the branch merged into did not have. */
export interface MergedBranch {
  readonly branch: BranchName
  readonly heads: readonly ChangeId[]
  readonly changes: number
  readonly entries: readonly EntryId[]
  readonly agents: readonly AgentId[]
}

/** The account of a merge (MRG-3): a function of the merge change and its past, so the same on every replica. */
export interface MergeReport {
  readonly change: ChangeId
  readonly branch: BranchName
  /** In the order in which their entries come. */
  readonly merged: readonly MergedBranch[]
  /** The entries that the merge brought, flattened. */
  readonly order: readonly EntryId[]
  /** Conflicts in which a write that the merge brought takes part. */
  readonly conflicts: readonly Conflict[]
  /** What is stale by the merge alone: no branch by itself showed that it was derived from something written since. */
  readonly staleReads: readonly Stale[]
}

/** @throws WEFT_CHANGE_UNKNOWN when `change` is not here or is not a merge */
export function mergeReport(set: ChangeSet, change: ChangeId): MergeReport {
  const node = set.dag.node(change)
  const { header } = set.change(node)
  const { merges } = header.notes
  if (merges === undefined) {
    throw new WeftError(
      'WEFT_CHANGE_UNKNOWN',
      `change ${change.slice(0, 12)} is not a merge`,
      'pass the id that a merge returned in its report',
      { change },
    )
  }
  const into = set.nodes(unpackIds(merges[header.branch] ?? new Uint8Array(0)))
  const sources = mergedBranches(set, merges, header.branch)
  const brought = attribute(set, sources, into)
  const added = unseen(set.dag, [node], into)
  const flattened = added.filter(each => brought.has(each)).sort((a, b) => set.tree.compare(a, b))
  return {
    change,
    branch: header.branch,
    merged: sources
      .map(source => describe(set, source, flattened, brought))
      .sort(byFirst(flattened, brought)),
    order: flattened.flatMap(each => shownEntries(set, each)),
    conflicts: conflictsByMerge(set, node, brought),
    staleReads: staleByMerge(set, { merge: node, into, added, sources: sources.map(({ nodes }) => nodes) }),
  }
}

function conflictsByMerge(set: ChangeSet, merge: Node, brought: ReadonlyMap<Node, unknown>): Conflict[] {
  const { header } = set.change(merge)
  const writes = (node: Node): boolean => pointersOf(set.change(node).header.writes).length > 0
  if (![...brought.keys()].some(writes)) return []
  const heads = set.branches.heads(header.branch)
  // What is written open is kept of a branch from one merge into it to the next.
  const isPresent = heads.length === 1 && heads[0] === merge
  const view = isPresent ? set.view(header.branch) : set.viewAt([merge])
  const state = new StateDoc(set, view)
  try {
    return findConflicts(set, view, state).filter(({ values }) =>
      values.some(value => brought.has(set.dag.node(value.change))),
    )
  } finally {
    state.free()
  }
}

interface Source {
  readonly branch: BranchName
  readonly heads: readonly ChangeId[]
  readonly nodes: readonly Node[]
}

function mergedBranches(
  set: ChangeSet,
  merges: Readonly<Record<BranchName, Uint8Array>>,
  into: BranchName,
): Source[] {
  return Object.keys(merges)
    .filter(branch => branch !== into)
    .sort()
    .map(branch => {
      const heads = unpackIds(merges[branch]!)
      return { branch, heads, nodes: set.nodes(heads) }
    })
}

/**
 * Which branch brought each node that is not among `into` or in the past of these: the one that carries its name if it is
 * merged, else the first that reaches it.
 */
function attribute(set: ChangeSet, sources: readonly Source[], into: readonly Node[]): Map<Node, BranchName> {
  const names = new Set(sources.map(source => source.branch))
  const brought = new Map<Node, BranchName>()
  for (const source of sources) {
    for (const node of unseen(set.dag, source.nodes, into)) {
      if (brought.has(node)) continue
      const own = set.tree.branchOf(node)
      brought.set(node, names.has(own) ? own : source.branch)
    }
  }
  return brought
}

function describe(
  set: ChangeSet,
  { branch, heads }: Source,
  flattened: readonly Node[],
  brought: ReadonlyMap<Node, BranchName>,
): MergedBranch {
  const nodes = flattened.filter(node => brought.get(node) === branch)
  return {
    branch,
    heads,
    changes: nodes.length,
    entries: nodes.flatMap(node => shownEntries(set, node)),
    agents: [...new Set(nodes.map(node => set.change(node).header.agent))].sort(),
  }
}

function shownEntries(set: ChangeSet, node: Node): EntryId[] {
  return set.entriesOf(node).flatMap(({ id, kind }) => (isEngineKind(kind) ? [] : [id]))
}

function byFirst(flattened: readonly Node[], brought: ReadonlyMap<Node, BranchName>) {
  const first = new Map<BranchName, number>()
  flattened.forEach((node, index) => {
    const branch = brought.get(node)!
    if (!first.has(branch)) first.set(branch, index)
  })
  const at = (merged: MergedBranch): number => first.get(merged.branch) ?? flattened.length
  return (a: MergedBranch, b: MergedBranch): number => at(a) - at(b)
}
