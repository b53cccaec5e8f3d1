import { compareText } from './bytes.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { ActorId, AgentId, BranchName, ChangeId } from './ids.js'
import { type Json, jsonEquals, valueAt } from './json.js'
import { LIST_END, openWritesOf, type Writer } from './open-writes.js'
import type { StateDoc } from './state-doc.js'
import type { View } from './view.js'

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

/**
 * Open conflicts of a view, by pointer. Found from the writes that headers name, not from Automerge's own conflicts:
 * those miss a deletion and an edit inside of what another branch replaced, which would be lost without a word.
 * List items are compared by the index that their author saw: where others have put in or taken out items before them, a list
 * can report a conflict too many, and one too few.
 */
export function findConflicts(set: ChangeSet, view: View, state: StateDoc): Conflict[] {
  const disputes = openWritesOf(set, view).open.disputes()
  return disputes
    .sort((a, b) => (a.pointer < b.pointer ? -1 : 1))
    .flatMap(({ pointer, writers }) => {
      const values = disagreeing(set, state, writers)
      if (values === undefined) return []
      const times = values.map(({ time }) => time)
      return [
        {
          pointer,
          winner: valueAt(state.read(), pointer),
          values,
          firstTime: times.reduce((a, b) => Math.min(a, b)),
          lastTime: times.reduce((a, b) => Math.max(a, b)),
        },
      ]
    })
}

/** What the writers in a dispute wrote, in order; undefined when all wrote the same. */
export function disagreeing(
  set: ChangeSet,
  state: StateDoc,
  writers: readonly Writer[],
): ConflictValue[] | undefined {
  const values = [...writers]
    .sort((a, b) => set.tree.compare(a.node, b.node) || compareText(a.pointer, b.pointer))
    .map(writer => describe(set, state, writer.node, writer.pointer))
  const first = values[0]!
  const same = values.every(value => value.pointer === first.pointer && jsonEquals(value.value, first.value))
  return same ? undefined : values
}

/** Whether writers wrote different things: as `disagreeing`, and no more is looked at than it takes. */
export function disagree(state: StateDoc, writers: Iterable<Writer>): boolean {
  let first: Writer | undefined
  for (const writer of writers) {
    first ??= writer
    if (first === writer) continue
    const pointer = readablePointer(writer.pointer)
    if (pointer !== readablePointer(first.pointer)) return true
    if (!jsonEquals(state.readAfter(writer.node, pointer), state.readAfter(first.node, pointer))) return true
  }
  return false
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
