import type { ChangeSet } from './change-set.js'
import { type Conflict, findConflicts } from './conflicts.js'
import type { Node } from './dag.js'
import { indexOfKey, nodeOfKey } from './entry-key.js'
import { WeftError } from './errors.js'
import { unpackIds } from './header.js'
import type { AgentId, BranchName, ChangeId, EntryId } from './ids.js'
import { isEngineKind } from './side-effects.js'
import type { Stale } from './stale.js'
import { Staleness } from './staleness.js'
import { StateDoc } from './state-doc.js'
import type { View } from './view.js'

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
  const ours = set.viewAt(into)
  const view = set.viewAt([node])
  const sources = mergedBranches(set, merges, header.branch)
  const brought = attribute(set, sources, added => !ours.has(added))
  const flattened = [...view.flatten()].filter(added => brought.has(added))
  const state = new StateDoc(set, view)
  try {
    return {
      change,
      branch: header.branch,
      merged: sources
        .map(source => describe(set, source, flattened, brought))
        .sort(byFirst(flattened, brought)),
      order: flattened.flatMap(added => shownEntries(set, added)),
      conflicts: findConflicts(set, view, state).filter(conflict =>
        conflict.values.some(value => brought.has(set.dag.node(value.change))),
      ),
      staleReads: staleByMerge(set, into, node, sources),
    }
  } finally {
    state.free()
  }
}

/** What the merge shows as stale and none of what was merged did: causes are looked up of nothing else. */
function staleByMerge(
  set: ChangeSet,
  into: readonly Node[],
  merge: Node,
  sources: readonly Source[],
): Stale[] {
  const view = set.viewAt(into)
  const merged = new Staleness(set, view)
  const known = merged.count
  view.include([merge])
  const fresh = new Set(merged.keysSince(known))
  // One branch after the other, and only those that hold some of it: together they would take the room of as many contexts.
  for (const source of sources) {
    const held = [...fresh].filter(key => source.view.has(nodeOfKey(key)))
    if (held.length === 0) continue
    const staleness = new Staleness(set, source.view)
    staleness.takeIn()
    for (const key of held) if (staleness.isStaleAt(nodeOfKey(key), indexOfKey(key))) fresh.delete(key)
  }
  return merged.since(known, key => fresh.has(key))
}

interface Source {
  readonly branch: BranchName
  readonly heads: readonly ChangeId[]
  readonly view: View
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
      return { branch, heads, view: set.viewAt(set.nodes(heads)) }
    })
}

/** Which branch brought each new node: the one that carries its name if it is merged, else the first that reaches it. */
function attribute(
  set: ChangeSet,
  sources: readonly Source[],
  isNew: (node: Node) => boolean,
): Map<Node, BranchName> {
  const names = new Set(sources.map(source => source.branch))
  const brought = new Map<Node, BranchName>()
  for (const source of sources) {
    for (const node of source.view.arrived) {
      if (!isNew(node) || brought.has(node)) continue
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
