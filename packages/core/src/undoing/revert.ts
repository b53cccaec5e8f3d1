import { WeftError } from '../base/errors.js'
import { type ActorId, type ChangeId, type EntryId, entryId, type Position } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import { NO_NODE, type Node } from '../base/node.js'
import { pointersOf } from '../refs/ref.js'
import type { CommitIndex } from '../graph/commit-index.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import type { StateDoc } from '../state/state-doc.js'
import { Staleness } from '../staleness/staleness.js'
import { WEFT_AGENT } from '../authors/derived-change.js'
import { type KeptPointer, type RevertedPointer, RevertedState, type Turn } from './revert-state.js'

/** What to undo: all that an actor wrote, one change (a step), some, a range of the log, or what a ref led to. */
export type RevertTarget =
  | { readonly actor: ActorId }
  | { readonly change: ChangeId }
  | { readonly changes: readonly ChangeId[] }
  | { readonly from: Position; readonly to: Position }
  | { readonly blastRadius: string }

/** What a revert undoes, and what it leaves. */
export interface RevertPlan {
  /** The changes that it names, in order. */
  readonly changes: readonly ChangeId[]
  /** The entries that are no longer shown, in order. */
  readonly entries: readonly EntryId[]
  /** The entries that are shown again, for a revert of theirs is reverted. */
  readonly restored: readonly EntryId[]
  readonly pointers: readonly RevertedPointer[]
  readonly kept: readonly KeptPointer[]
}

/**
 * What reverting a target on a view would do (STP-4); writes nothing. Of a target that was reverted in part the rest
 * is taken. Forks, merges, migrations and the initial state hold nothing that could be undone.
 * @throws WEFT_REVERT_NOTHING · WEFT_REVERT_ALREADY · WEFT_CHANGE_UNKNOWN · WEFT_POSITION_UNKNOWN · WEFT_REF_INVALID ·
 *   WEFT_CHANGE_TOO_LARGE
 */
export function planRevert(
  set: ChangeSet,
  view: View,
  state: StateDoc,
  target: RevertTarget,
  index: CommitIndex,
): RevertPlan {
  const { reverts, tree } = set
  const chosen = new Set(select(set, view, target, index).filter(node => canUndo(set, node)))
  if (chosen.size === 0) throw nothing()
  const already = reverts.standing(view, [], chosen)
  const named = [...chosen].filter(node => !already.has(node)).sort((a, b) => tree.compare(a, b))
  if (named.length === 0) throw alreadyReverted(set, view, chosen)
  if (named.length > LIMITS.reverts_per_change_max) throw tooMany(named.length)
  const turn = { before: reverts.standing(view), after: reverts.standing(view, named) }
  return {
    changes: named.map(node => set.dag.id(node)),
    ...turnedEntries(set, view, turn),
    ...new RevertedState(set, view, state, turn).plan(),
  }
}

function select(set: ChangeSet, view: View, target: RevertTarget, index: CommitIndex): Node[] {
  if ('change' in target) return visible(set, view, [target.change])
  if ('changes' in target) return visible(set, view, target.changes)
  if ('actor' in target) return byActor(set, view, target.actor)
  if ('blastRadius' in target) {
    return set.nodes(new Staleness(set, view).blastRadius(target.blastRadius).changes)
  }
  return inRange(set, view, target, index)
}

function visible(set: ChangeSet, view: View, ids: readonly ChangeId[]): Node[] {
  const nodes = set.nodes(ids)
  const hidden = nodes.find(node => !view.has(node))
  if (hidden === undefined) return nodes
  throw new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `change ${set.dag.id(hidden).slice(0, 12)} is not visible on this branch`,
    'revert it on the branch that shows it, or merge that branch first',
    { change: set.dag.id(hidden) },
  )
}

function byActor({ dag }: ChangeSet, view: View, actor: ActorId): Node[] {
  const last = /^[0-9a-f]{32}$/.test(actor) ? dag.lastOf(actor) : NO_NODE
  if (last === NO_NODE) return []
  return [...view.arrived].filter(node => dag.compareActors(node, last) === 0)
}

function inRange(
  set: ChangeSet,
  view: View,
  { from, to }: { readonly from: Position; readonly to: Position },
  index: CommitIndex,
): Node[] {
  const known = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 1 && to <= index.position
  if (!known || from > to) {
    throw new WeftError(
      'WEFT_POSITION_UNKNOWN',
      `${from} to ${to} is no range of the log, which is known here up to ${index.position}`,
      'pass two positions from 1 up to that, the smaller first',
      { from, to, known: index.position },
    )
  }
  const ids = Array.from({ length: to - from + 1 }, (_, offset) => index.idAt(from + offset)!)
  return set.nodes(ids).filter(node => view.has(node))
}

function canUndo(set: ChangeSet, node: Node): boolean {
  const { kinds, writes, deps, agent, time, notes } = set.change(node).header
  const initial = agent === WEFT_AGENT && time === 0 && deps.length === 0
  if (notes.migrates !== undefined && kinds.length === 0) return false
  return !initial && (kinds.length > 0 || set.reverts.has(node) || pointersOf(writes).length > 0)
}

function turnedEntries(
  set: ChangeSet,
  view: View,
  { before, after }: Turn,
): { entries: EntryId[]; restored: EntryId[] } {
  const entries: EntryId[] = []
  const restored: EntryId[] = []
  const touched = [...new Set([...before.keys(), ...after.keys()])].filter(node => view.has(node))
  for (const node of touched.sort((a, b) => set.tree.compare(a, b))) {
    if (before.has(node) === after.has(node)) continue
    const ids = set.change(node).header.kinds.map((_, index) => entryId(set.dag.id(node), index))
    if (after.has(node)) entries.push(...ids)
    else restored.push(...ids)
  }
  return { entries, restored }
}

function nothing(): WeftError {
  return new WeftError(
    'WEFT_REVERT_NOTHING',
    'there is nothing to revert: the target holds no entry and no write to the state',
    'name a change, an actor, a range or a ref that led to something; `audit` lists the changes of the branch',
  )
}

function alreadyReverted(set: ChangeSet, view: View, chosen: ReadonlySet<Node>): WeftError {
  const standing = set.reverts.standing(view)
  const by = set.ids(new Set([...chosen].flatMap(node => standing.get(node) ?? [])))
  return new WeftError(
    'WEFT_REVERT_ALREADY',
    `all ${chosen.size} change(s) of the target are reverted already`,
    'to bring them back, revert the changes in `details.by`',
    { changes: set.ids(chosen), by },
  )
}

function tooMany(count: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `${count} changes are more than the ${LIMITS.reverts_per_change_max} that one revert can name`,
    'revert them in parts, as ranges of the log',
    { count },
  )
}
