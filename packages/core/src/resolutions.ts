import type { ChangeSet } from './change-set.js'
import {
  addWriter,
  type ConflictValue,
  checkPointer,
  conflictAt,
  type LastWriters,
  pointersOf,
  readablePointer,
} from './conflicts.js'
import type { Node } from './dag.js'
import type { AgentId, BranchName, ChangeId } from './ids.js'
import { type Json, pointersTouch } from './json.js'
import type { StateDoc } from './state-doc.js'
import type { View } from './view.js'

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
 * The conflicts of a view that somebody has closed, in order: a function of each closing change and its past, so that
 * no later write, and no order of arrival, alters the account.
 * @param pointer only those of this pointer, above it or below it
 * @throws WEFT_POINTER_INVALID
 */
export function findResolutions(set: ChangeSet, view: View, state: StateDoc, pointer?: string): Resolution[] {
  if (pointer !== undefined) checkPointer(pointer)
  const contested = contestedPointers(set, view)
  if (contested.size === 0) return []
  const touches = (written: string): boolean => [...contested].some(other => pointersTouch(written, other))
  const writers = [...view.arrived].filter(node => pointersOf(set.change(node).header.writes).some(touches))
  return writers
    .sort((a, b) => set.tree.compare(a, b))
    .flatMap(node => closedBy(set, state, writers, node))
    .filter(closed => pointer === undefined || pointersTouch(closed.pointer, pointer))
}

/** Pointers that a change wrote while a concurrent write touched them. More than the conflicts there were, never less. */
function contestedPointers(set: ChangeSet, view: View): ReadonlySet<string> {
  const contested = new Set<string>()
  const last: LastWriters = new Map()
  for (const node of view.arrived) {
    for (const pointer of pointersOf(set.change(node).header.writes)) {
      for (const [other, nodes] of last) {
        if (!pointersTouch(pointer, other)) continue
        if (nodes.every(writer => set.dag.isAncestor(writer, node))) continue
        contested.add(pointer).add(other)
      }
    }
    addWriter(set, last, node)
  }
  return contested
}

/** `writers` are in a causal order. */
function closedBy(set: ChangeSet, state: StateDoc, writers: readonly Node[], node: Node): Resolution[] {
  const { id, header } = set.change(node)
  const last: LastWriters = new Map()
  for (const writer of writers) if (set.dag.isAncestor(writer, node)) addWriter(set, last, writer)
  const written = pointersOf(header.writes)
  const open = [...last.keys()]
    .filter(pointer => written.some(other => pointersTouch(pointer, other)))
    .flatMap(pointer => {
      const settled = conflictAt(set, state, last, pointer)
      return settled === undefined ? [] : [{ pointer, settled }]
    })
  addWriter(set, last, node)
  const isClosed = (pointer: string): boolean =>
    !last.has(pointer) || conflictAt(set, state, last, pointer) === undefined
  return open
    .filter(({ pointer }) => isClosed(pointer))
    .map(({ pointer, settled }) => ({
      pointer,
      value: state.readAfter(node, readablePointer(pointer)),
      change: id,
      agent: header.agent,
      branch: header.branch,
      time: header.time,
      reason: header.notes.reason,
      settled,
    }))
}
