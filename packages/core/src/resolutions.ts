import { compareText } from './bytes.js'
import type { ChangeSet } from './change-set.js'
import { type ConflictValue, disagree, disagreeing, readablePointer } from './conflicts.js'
import type { Node } from './dag.js'
import type { AgentId, BranchName, ChangeId } from './ids.js'
import { checkPointer, type Json, pointersTouch } from './json.js'
import { openWritesOf, type Settling } from './open-writes.js'
import { pointersOf } from './ref.js'
import type { StateDoc } from './state-doc.js'
import type { View } from './view.js'
import { WriteHistory } from './write-history.js'

/** A change that closed a conflict which its author had seen: who chose what, and why. */
export interface Resolution {
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
 * @param pointer only those of this pointer, above it or below it
 * @throws WEFT_POINTER_INVALID
 */
export function findResolutions(set: ChangeSet, view: View, state: StateDoc, pointer?: string): Resolution[] {
  if (pointer !== undefined) checkPointer(pointer)
  const closed = new Map<Node, Map<string, readonly ConflictValue[]>>()
  eachSettling(set, view, (node, settling) => {
    const settled = closedBy(set, state, settling)
    if (settled === undefined) return
    const known = closed.get(node) ?? new Map<string, readonly ConflictValue[]>()
    closed.set(node, known.set(settling.pointer, settled))
  })
  return [...closed]
    .sort(([a], [b]) => set.tree.compare(a, b))
    .flatMap(([node, all]) =>
      [...all]
        .sort(([a], [b]) => compareText(a, b))
        .map(([closedAt, settled]) => describe(set, state, node, closedAt, settled)),
    )
    .filter(resolution => pointer === undefined || pointersTouch(resolution.pointer, pointer))
}

/**
 * Calls back with each dispute in a view whose rivals the author of a change had seen, and took some of away. Nothing that it
 * is told may be kept for later.
 */
export function eachSettling(
  set: ChangeSet,
  view: View,
  visit: (node: Node, settling: Settling) => void,
): void {
  const { contested, pasts } = openWritesOf(set, view)
  if (contested.size === 0) return
  const history = new WriteHistory(set.dag, pasts, contested)
  for (const node of view.flatten()) history.add(node, pointersOf(set.change(node).header.writes))
  history.eachSettling(visit)
}

/** What was in conflict, when a change has left nothing of it that is. */
function closedBy(set: ChangeSet, state: StateDoc, { before, left }: Settling): ConflictValue[] | undefined {
  return disagree(state, left()) ? undefined : disagreeing(set, state, before())
}

function describe(
  set: ChangeSet,
  state: StateDoc,
  node: Node,
  pointer: string,
  settled: readonly ConflictValue[],
): Resolution {
  const { id, header } = set.change(node)
  return {
    pointer,
    value: state.readAfter(node, readablePointer(pointer)),
    change: id,
    agent: header.agent,
    branch: header.branch,
    time: header.time,
    reason: header.notes.reason,
    settled,
  }
}
