import { compareText } from '../base/bytes.js'
import type { AgentId, BranchName, ChangeId } from '../base/ids.js'
import { type Json, pointersTouch } from '../base/json.js'
import type { Node } from '../base/node.js'
import { checkPlace } from '../refs/list-marks.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import { type ConflictValue, disagree, disagreeing, type PointerOf } from './conflicts.js'
import { openWritesOf, type Settling } from './open-writes.js'
import { isMarked, mayNameItem, placesOf, readablePlace } from './places.js'
import type { StateAt } from './state-at.js'
import type { StateDoc } from './state-doc.js'
import { WriteHistory } from './write-history.js'

/** A change that closed a conflict which its author had seen: who chose what, and why. */
export interface Resolution {
  /** Where that was for its author, as of all pointers here. */
  readonly pointer: string
  /** What it chose; undefined for a deletion. */
  readonly value: Json | undefined
  readonly change: ChangeId
  readonly agent: AgentId
  readonly branch: BranchName
  /** The author's wall clock, ms since 1970 UTC. */
  readonly time: number
  readonly reason: string | undefined
  /** The values that had been in conflict, in order. */
  readonly settled: readonly ConflictValue[]
}

/**
 * The conflicts of a view that somebody has closed, in order, those of one change by pointer: a function of each closing
 * change and its past, so that no later write, and no order of arrival, alters the account.
 * @param pointer only those of this pointer, above it or below it, as it was then or of what is there now
 * @throws WEFT_POINTER_INVALID
 */
export function findResolutions(set: ChangeSet, view: View, state: StateDoc, pointer?: string): Resolution[] {
  if (pointer !== undefined) checkPlace(pointer)
  const closed = new Map<Node, Map<string, readonly ConflictValue[]>>()
  eachSettling(set, view, state, (node, settling) => {
    const settled = closedBy(set, state, settling, pointersBefore(state, node))
    if (settled === undefined) return
    const known = closed.get(node) ?? new Map<string, readonly ConflictValue[]>()
    closed.set(node, known.set(settling.place, settled))
  })
  const asked = pointer === undefined ? undefined : placeOf(state, pointer)
  return [...closed]
    .sort(([a], [b]) => set.tree.compare(a, b))
    .flatMap(([node, all]) =>
      [...all]
        .map(([place, settled]) => ({ place, resolution: describe(set, state, node, place, settled) }))
        .sort((a, b) => compareText(a.resolution.pointer, b.resolution.pointer)),
    )
    .filter(
      ({ place, resolution }) =>
        asked === undefined || pointersTouch(place, asked) || pointersTouch(resolution.pointer, pointer!),
    )
    .map(({ resolution }) => resolution)
}

/**
 * Calls back with each dispute in a view whose rivals the author of a change had seen, and took some of away. Nothing that it
 * is told may be kept for later.
 */
export function eachSettling(
  set: ChangeSet,
  view: View,
  state: StateDoc,
  visit: (node: Node, settling: Settling) => void,
): void {
  const { contested, pasts } = openWritesOf(set, view, state)
  if (contested.size === 0) return
  const history = new WriteHistory(set.dag, pasts, contested)
  const places = placesOf(set)
  for (const node of view.flatten()) history.add(node, places.of(node, state))
  history.eachSettling(visit)
}

/** What was in conflict, when a change has left nothing of it that is. */
function closedBy(
  set: ChangeSet,
  state: StateDoc,
  { before, left }: Settling,
  pointerOf: PointerOf,
): ConflictValue[] | undefined {
  return disagree(state, left()) ? undefined : disagreeing(set, state, before(), pointerOf)
}

/** The place of what is at a pointer now. */
function placeOf(state: StateDoc, pointer: string): string {
  return mayNameItem(pointer) ? state.placeNow(pointer) : pointer
}

/** Where places were for the author of a change, before that. */
function pointersBefore(state: StateDoc, node: Node): PointerOf {
  let before: StateAt | undefined
  return place => {
    if (!isMarked(place)) return place
    before ??= state.before(node)
    return before.pointerOf(place)
  }
}

function describe(
  set: ChangeSet,
  state: StateDoc,
  node: Node,
  place: string,
  settled: readonly ConflictValue[],
): Resolution {
  const { id, header } = set.change(node)
  return {
    pointer: pointersBefore(state, node)(place),
    value: state.readAfter(node, readablePlace(place)),
    change: id,
    agent: header.agent,
    branch: header.branch,
    time: header.time,
    reason: header.notes.reason,
    settled,
  }
}
