import { compareText } from '../base/bytes.js'
import type { ActorId, AgentId, BranchName, ChangeId } from '../base/ids.js'
import { type Json, jsonEquals, valueAt } from '../base/json.js'
import type { Node } from '../base/node.js'
import { itemIdOf, itemIndex, keysOf, namesItem } from '../refs/list-marks.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import { openWritesOf, type Writer } from './open-writes.js'
import { isMarked, readablePlace } from './places.js'
import type { StateDoc } from './state-doc.js'

/**
 * One of the concurrent writes in a conflict, with what its author wrote; `value` is undefined for a deletion. `pointer` is
 * where that is now.
 */
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
 * Concurrent writes to one place of the state, or to one and something below it, that nobody has resolved (MRG-2). `pointer`
 * is where that place is now: an item of a list is followed to where it stands. One that its list holds no more has a mark
 * there instead of an index, `/list/~@12@…`: `resolve` takes that to let the item be gone. `winner` is what the state shows
 * meanwhile, the same on every replica.
 */
export interface Conflict {
  readonly pointer: string
  readonly winner: Json | undefined
  readonly values: readonly ConflictValue[]
  /** When its first and its last value were written, by their authors' clocks. */
  readonly firstTime: number
  readonly lastTime: number
}

/** Says where a place is in some state: its pointer there. */
export type PointerOf = (place: string) => string

/**
 * Open conflicts of a view, by pointer, of the items of a list the last first. Found from the writes that headers name, not
 * from Automerge's own conflicts: those miss a deletion and an edit inside of what another branch replaced, which would be
 * lost without a word. Items of lists are told apart by what they are, and not by where they stood for whoever wrote to them.
 */
export function findConflicts(set: ChangeSet, view: View, state: StateDoc): Conflict[] {
  const disputes = openWritesOf(set, view, state).open.disputes()
  readByWriter(
    state,
    disputes.flatMap(({ writers }) => writers),
  )
  const pointerOf = pointersNow(state)
  return disputes
    .map(dispute => ({ ...dispute, pointer: pointerOf(dispute.place) }))
    .sort((a, b) => compareConflicts(a, b))
    .flatMap(({ pointer, writers }) => {
      const values = disagreeing(set, state, writers, pointerOf)
      if (values === undefined) return []
      const times = values.map(({ time }) => time)
      return [
        {
          pointer,
          winner: namesItem(pointer) ? undefined : valueAt(state.read(), pointer),
          values,
          firstTime: times.reduce((a, b) => Math.min(a, b)),
          lastTime: times.reduce((a, b) => Math.max(a, b)),
        },
      ]
    })
}

interface Placed {
  readonly pointer: string
  readonly place: string
}

/**
 * By pointer; but of the items of a list the last first, and what is in an item before the item. So whoever resolves them one
 * after the other, some by taking an item out, moves none of those that are still to come.
 */
function compareConflicts(a: Placed, b: Placed): number {
  const [as, bs] = [wayOf(a), wayOf(b)]
  for (const [at, { key, isItem }] of as.entries()) {
    const other = bs[at]
    if (other === undefined) return bs.at(-1)?.isItem ? -1 : 1
    if (isItem !== other.isItem) return isItem ? -1 : 1
    if (key === other.key) continue
    const [index, others] = [itemIndex(key), itemIndex(other.key)]
    const areThere = isItem && index !== undefined && others !== undefined
    return areThere ? others - index : compareText(key, other.key)
  }
  if (bs.length > as.length) return as.at(-1)?.isItem ? 1 : -1
  return compareText(a.place, b.place)
}

/** The keys of a pointer, and which of them name items of lists. */
function wayOf({ pointer, place }: Placed): { readonly key: string; readonly isItem: boolean }[] {
  const named = keysOf(place)
  return keysOf(pointer).map((key, at) => ({ key, isItem: itemIdOf(named[at]!) !== undefined }))
}

/** Reads what is asked of each author at once: to look into the state as one of them saw it costs much more than a value. */
function readByWriter(state: StateDoc, writers: readonly Writer[]): void {
  const sorted = [...writers].sort((a, b) => a.node - b.node)
  for (const { node, place } of sorted) state.readAfter(node, readablePlace(place))
}

/** Where places are in a state as it is. */
function pointersNow(state: StateDoc): PointerOf {
  return place => (isMarked(place) ? state.pointerOf(place) : place)
}

/** What the writers in a dispute wrote, in order; undefined when all wrote the same. */
export function disagreeing(
  set: ChangeSet,
  state: StateDoc,
  writers: readonly Writer[],
  pointerOf: PointerOf,
): ConflictValue[] | undefined {
  if (!disagree(state, writers)) return undefined
  return writers
    .map(({ node, place }) => ({ node, value: describe(set, state, node, readablePlace(place), pointerOf) }))
    .sort((a, b) => set.tree.compare(a.node, b.node) || compareText(a.value.pointer, b.value.pointer))
    .map(({ value }) => value)
}

/** Whether writers wrote different things: no more is looked at than it takes. */
export function disagree(state: StateDoc, writers: Iterable<Writer>): boolean {
  let first: Writer | undefined
  for (const writer of writers) {
    first ??= writer
    if (first === writer) continue
    const place = readablePlace(writer.place)
    if (place !== readablePlace(first.place)) return true
    if (!jsonEquals(state.readAfter(writer.node, place), state.readAfter(first.node, place))) return true
  }
  return false
}

function describe(
  set: ChangeSet,
  state: StateDoc,
  node: Node,
  place: string,
  pointerOf: PointerOf,
): ConflictValue {
  const { id, header } = set.change(node)
  return {
    pointer: pointerOf(place),
    value: state.readAfter(node, place),
    change: id,
    actor: header.actor,
    agent: header.agent,
    branch: header.branch,
    time: header.time,
  }
}
