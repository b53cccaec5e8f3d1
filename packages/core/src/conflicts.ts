import { compareText } from './bytes.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { ActorId, AgentId, BranchName, ChangeId } from './ids.js'
import { type Json, jsonEquals, parsePointer, valueAt } from './json.js'
import { pointerOf } from './ref.js'
import type { StateDoc } from './state-doc.js'
import type { View } from './view.js'

/** The end of a list, as RFC 6902 writes it: an insertion. Concurrent insertions both stay, so they never conflict. */
const LIST_END = '/-'

/** One of the concurrent writes in a conflict, with what its author wrote; `value` is undefined for a deletion. */
export interface ConflictValue {
  readonly pointer: string
  readonly value: Json | undefined
  readonly change: ChangeId
  readonly actor: ActorId
  readonly agent: AgentId
  readonly branch: BranchName
  /** The author's wall clock, ms since 1970 UTC. */
  readonly time: number
}

/**
 * Concurrent writes to one pointer, or to a pointer and something below it, that nobody has resolved (MRG-2).
 * `winner` is what the state shows meanwhile, the same on every replica.
 */
export interface Conflict {
  readonly pointer: string
  readonly winner: Json | undefined
  readonly values: readonly ConflictValue[]
  /** When its first and its last value were written, by their authors' clocks. */
  readonly firstTime: number
  readonly lastTime: number
}

/** The state pointers a change wrote. */
export function pointersOf(writes: readonly string[]): string[] {
  return writes.flatMap(ref => pointerOf(ref) ?? [])
}

/**
 * Open conflicts of a view, by pointer. Found from the writes that headers name, not from Automerge's own conflicts:
 * those miss a deletion and an edit inside of what another branch replaced, which would be lost without a word.
 * List items are compared by the index that their author saw, so a list can report more than it must, never less.
 */
export function findConflicts(set: ChangeSet, view: View, state: StateDoc): Conflict[] {
  const last: LastWriters = new Map()
  for (const node of view.arrived) addWriter(set, last, node)
  const snapshot = state.read()
  const conflicts: Conflict[] = []
  for (const pointer of [...last.keys()].sort()) {
    const values = conflictAt(set, state, last, pointer)
    if (values === undefined) continue
    const times = values.map(({ time }) => time)
    conflicts.push({
      pointer,
      winner: valueAt(snapshot, pointer),
      values,
      firstTime: Math.min(...times),
      lastTime: Math.max(...times),
    })
  }
  return conflicts
}

/** The values that are in conflict at a pointer, in order; undefined when there are none, or all are the same. */
export function conflictAt(
  set: ChangeSet,
  state: StateDoc,
  last: LastWriters,
  pointer: string,
): ConflictValue[] | undefined {
  const writers = disagreeing(set, last, pointer)
  if (writers.length < 2) return undefined
  const values = writers
    .sort((a, b) => set.tree.compare(a.node, b.node) || compareText(a.pointer, b.pointer))
    .map(writer => describe(set, state, writer.node, writer.pointer))
  const first = values[0]!
  const same = values.every(value => value.pointer === first.pointer && jsonEquals(value.value, first.value))
  return same ? undefined : values
}

interface Writer {
  readonly pointer: string
  readonly node: Node
}

/** For each pointer the writes that no later write to it, or above it, has in its past. */
export type LastWriters = Map<string, Node[]>

/** Takes in the writes of a change; all that it depends on has been taken in. */
export function addWriter(set: ChangeSet, last: LastWriters, node: Node): void {
  const { writes } = set.change(node).header
  if (writes.length === 0) return
  for (const pointer of pointersOf(writes)) {
    for (const [other, nodes] of last) {
      if (other !== pointer && !other.startsWith(`${pointer}/`)) continue
      const open = nodes.filter(writer => writer === node || !set.dag.isAncestor(writer, node))
      if (open.length > 0) last.set(other, open)
      else last.delete(other)
    }
    const writers = last.get(pointer)
    if (!writers) last.set(pointer, [node])
    else if (!writers.includes(node)) writers.push(node)
  }
}

/** Writers of `pointer`, and writers below it, as far as they are concurrent to one of the former. */
function disagreeing(set: ChangeSet, last: LastWriters, pointer: string): Writer[] {
  const own = last.get(pointer)!
  const writers: Writer[] = []
  if (own.length > 1 && !pointer.endsWith(LIST_END)) for (const node of own) writers.push({ pointer, node })
  for (const [below, nodes] of last) {
    if (!below.startsWith(`${pointer}/`)) continue
    for (const node of nodes) {
      const rivals = own.filter(writer => writer !== node && !set.dag.isAncestor(writer, node))
      if (rivals.length === 0) continue
      writers.push({ pointer: below, node })
      for (const rival of rivals) {
        if (!writers.some(known => known.pointer === pointer && known.node === rival)) {
          writers.push({ pointer, node: rival })
        }
      }
    }
  }
  return writers
}

function describe(set: ChangeSet, state: StateDoc, node: Node, pointer: string): ConflictValue {
  const { id, header } = set.change(node)
  const readable = readablePointer(pointer)
  return {
    pointer: readable,
    value: state.readAfter(node, readable),
    change: id,
    actor: header.actor,
    agent: header.agent,
    branch: header.branch,
    time: header.time,
  }
}

/** The end of a list is nowhere: what can be read is the list. */
export function readablePointer(pointer: string): string {
  return pointer.endsWith(LIST_END) ? pointer.slice(0, -LIST_END.length) : pointer
}

/** @throws WEFT_POINTER_INVALID */
export function checkPointer(pointer: string): string {
  parsePointer(pointer)
  return pointer
}
