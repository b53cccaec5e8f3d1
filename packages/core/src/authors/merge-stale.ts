import { type EntryKey, entryKey, indexOfKey, nodeOfKey } from '../base/entry-key.js'
import { changeOfEntry, type EntryId } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { unseen } from '../graph/frontier.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import type { Stale } from '../staleness/stale.js'
import { Staleness } from '../staleness/staleness.js'

/** A merge, and what came together by it, as heads. */
export interface Merged {
  readonly merge: Node
  readonly into: readonly Node[]
  readonly sources: readonly (readonly Node[])[]
  /** All that the merge shows and `into` did not. */
  readonly added: readonly Node[]
}

/** Of so few it is looked up one by one whether they are stale on a branch: of more, all that the branch shows is taken in. */
const FEW = 256

/** What a merge shows as stale and none of what was merged did. */
export function staleByMerge(set: ChangeSet, merged: Merged): Stale[] {
  const { merge, into, added, sources } = merged
  if (!mayMakeStale(set, added)) return []
  const { index, count } = keptBefore(set, merged) ?? madeBefore(set, merged)
  const fresh = new Set(index.keysSince(count))
  // One branch after the other, and only those that hold some of it: together they would take the room of as many contexts.
  for (const heads of sources) {
    if (fresh.size === 0) break
    const unshown = new Set(unseen(set.dag, [merge, ...into], heads))
    const held = [...fresh].filter(key => !unshown.has(nodeOfKey(key)))
    if (held.length === 0) continue
    const stale = lookedUp(set, index, unshown, held) ?? takenIn(set, heads, held)
    for (const key of stale) fresh.delete(key)
  }
  return fresh.size === 0 ? [] : index.since(count, key => fresh.has(key))
}

/** Whether anything can be stale because of changes that come to others: most only say something. */
function mayMakeStale(set: ChangeSet, added: readonly Node[]): boolean {
  const { reverts, summaries, tree } = set
  const onlySays = added.every(node => {
    const { reads, writes } = set.change(node).header
    return reads.length === 0 && writes.length === 0 && !reverts.has(node) && !summaries.has(node)
  })
  if (!onlySays) return true
  // What comes late to the range of a summary makes that stale.
  const speaking = added.filter(node => set.change(node).header.kinds.length > 0)
  const branches = new Set(speaking.map(node => tree.branchOf(node)))
  for (const summary of summaries.nodes())
    for (const branch of summaries.rangeOf(summary).branches) if (branches.has(branch)) return true
  return false
}

/** What is stale on a branch, and how many were before the merge. */
interface Before {
  readonly index: Staleness
  readonly count: number
}

const KEPT = new WeakMap<View, Staleness>()

/** Kept of a branch from one merge into it to the next; undefined where the merge is not all that has come last. */
function keptBefore(set: ChangeSet, { merge, added }: Merged): Before | undefined {
  const { branch } = set.change(merge).header
  const heads = set.branches.heads(branch)
  if (heads.length !== 1 || heads[0] !== merge) return undefined
  const view = set.view(branch)
  const size = view.size - added.length
  const isAdded = new Set(added)
  for (let at = size; at < view.size; at++) if (!isAdded.has(view.arrived.at(at))) return undefined
  const index = KEPT.get(view) ?? new Staleness(set, view)
  KEPT.set(view, index)
  const count = index.countAfter(size)
  return count === undefined ? undefined : { index, count }
}

function madeBefore(set: ChangeSet, { merge, into }: Merged): Before {
  const view = set.viewAt(into)
  const index = new Staleness(set, view)
  const { count } = index
  view.include([merge])
  return { index, count }
}

/**
 * Those that are stale on a branch which shows all but some changes, by what made them stale where all are shown;
 * undefined when that leads too far.
 */
function lookedUp(
  set: ChangeSet,
  index: Staleness,
  unshown: ReadonlySet<Node>,
  held: readonly EntryKey[],
): EntryKey[] | undefined {
  const known = new Map<EntryKey, boolean>()
  let isTooFar = held.length > FEW
  const isStale = (key: EntryKey): boolean => {
    const found = known.get(key)
    if (found !== undefined) return found
    // Not all that makes a summary stale is told of it: of its range the entries alone.
    isTooFar ||= known.size === 2 * FEW || set.summaries.has(nodeOfKey(key))
    if (isTooFar) return false
    known.set(key, false)
    const stale = index.whyAt(key)
    const { causes, causesLeftOut, via } = stale ?? NOT_STALE
    const isCaused =
      causes.some(({ change }) => !unshown.has(set.dag.node(change))) ||
      via.map(entry => keyOf(set, entry)).some(source => !unshown.has(nodeOfKey(source)) && isStale(source))
    // One of those that are not told may be shown.
    isTooFar ||= !isCaused && causesLeftOut > 0
    known.set(key, isCaused)
    return isCaused
  }
  const stale = isTooFar ? [] : held.filter(isStale)
  return isTooFar ? undefined : stale
}

const NOT_STALE: Pick<Stale, 'causes' | 'causesLeftOut' | 'via'> = { causes: [], causesLeftOut: 0, via: [] }

function keyOf(set: ChangeSet, entry: EntryId): EntryKey {
  const change = changeOfEntry(entry)
  return entryKey(set.dag.node(change), Number(entry.slice(change.length + 1)))
}

/** As `lookedUp`, however many and whatever they lead to. */
function takenIn(set: ChangeSet, heads: readonly Node[], held: readonly EntryKey[]): EntryKey[] {
  const staleness = new Staleness(set, set.viewAt(heads))
  staleness.takeIn()
  return held.filter(key => staleness.isStaleAt(nodeOfKey(key), indexOfKey(key)))
}
