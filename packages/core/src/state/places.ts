import { childPointer } from '../base/json.js'
import type { Node } from '../base/node.js'
import { itemIdOf, itemIndex, itemKey, keysOf, namesItem } from '../refs/list-marks.js'
import { placesIn } from '../refs/ref.js'
import { type StateOp, stateOpsOf } from '../automerge/automerge-chunk.js'
import type { ChangeSet } from '../set/change-set.js'

/*
 * A **place** is a pointer in which the items of lists are named by what they are: `/list/~@12@actor/limit` and not
 * `/list/1/limit`. It means the same to whoever has seen other insertions and deletions. A key of a map that could be taken for
 * the end of a list is written `~=-`; so in a place `/-` is that end alone, and insertions there never conflict.
 */

/** The end of a list, as RFC 6902 writes it: an insertion. Concurrent insertions both stay, so they never conflict. */
const END = '-'
const KEY_LIKE_END = '~=-'

/** The end of a list as the last key of a place. */
export const LIST_END = `/${END}`

/** A key of a map in a place. */
export function keyAsPlace(key: string): string {
  return key === END ? KEY_LIKE_END : key
}

export function keyOfPlace(key: string): string {
  return key === KEY_LIKE_END ? END : key
}

/** The end of a list is nowhere: what can be read is the list. */
export function readablePlace(place: string): string {
  return place.endsWith(LIST_END) ? place.slice(0, -LIST_END.length) : place
}

/** Whether a place is written in another way than its pointer. */
export function isMarked(place: string): boolean {
  return namesItem(place) || place.includes(`/${KEY_LIKE_END}`)
}

/** What reads a place where the ops of a change do not tell of it. */
export interface PastStates {
  /** The place of a pointer in the state as the author of a change saw it before that. */
  placeBefore(node: Node, pointer: string): string
}

/**
 * Where the changes of a context wrote, told from the ops of their states: these name items by what they are. Where there are
 * none for a pointer, as where a change names one and leaves it as it is, the state that its author saw tells.
 */
export class Places {
  /** The places of the objects that changes made, by Automerge's ids of these. */
  readonly #objects = new Map<string, string>()
  readonly #known = new Map<Node, readonly string[]>()
  #taken = 0
  #form: number

  constructor(private readonly set: ChangeSet) {
    this.#form = set.states.form
  }

  /** The places that a change wrote. @param past of a view that shows the change */
  of(node: Node, past: PastStates): readonly string[] {
    const pointers = placesIn(this.set.change(node).header.writes)
    // Most go by keys alone, and are what they are written as.
    if (!this.set.ledger.any || !pointers.some(mayNameItem)) return pointers
    this.#catchUp()
    const known = this.#known.get(node)
    if (known) return known
    const byOps = this.#byOps(node, pointers)
    const places = pointers.map((pointer, index) => {
      return byOps[index] ?? (mayNameItem(pointer) ? past.placeBefore(node, pointer) : pointer)
    })
    this.#known.set(node, places)
    return places
  }

  /** The places of those pointers that there are ops for: the first ones, as a header names them in the order of the ops. */
  #byOps(node: Node, pointers: readonly string[]): string[] {
    const places: string[] = []
    const made = new Set<string>()
    const ends = new Set<string>()
    for (const op of this.#opsOf(node)) {
      if (op.makes !== undefined) made.add(op.makes)
      // What is in an object that the change itself made is named with that.
      if (op.into !== undefined && made.has(op.into)) continue
      const place = this.#placeWritten(op)
      // However much is put in, the end is named once.
      if (op.inserts && place !== undefined && ends.has(place)) continue
      const next = pointers[places.length]
      // Where ops and pointers do not go together, ops tell nothing.
      if (place === undefined || next === undefined || !isWrittenAs(place, next)) return []
      places.push(place)
      if (op.inserts) ends.add(place)
    }
    return places
  }

  #placeWritten(op: StateOp): string | undefined {
    const object = this.#placeOf(op.into)
    return object !== undefined && op.inserts ? object + LIST_END : this.#placeOfTarget(op)
  }

  /** Of the key or the item that an op is about. */
  #placeOfTarget({ into, key, item }: StateOp): string | undefined {
    const object = this.#placeOf(into)
    if (object === undefined) return undefined
    if (item !== undefined) return `${object}/${itemKey(item)}`
    return key === END ? `${object}/${KEY_LIKE_END}` : childPointer(object, key!)
  }

  #placeOf(object: string | undefined): string | undefined {
    return object === undefined ? '' : this.#objects.get(object)
  }

  #opsOf(node: Node): StateOp[] {
    return this.set.ledger.hashOf(node) === undefined ? [] : stateOpsOf(this.set.states.bytesAt(node))
  }

  /** Learns where objects are: each is in one of an earlier change, or of its own. */
  #catchUp(): void {
    if (this.#form !== this.set.states.form) {
      this.#form = this.set.states.form
      this.#taken = 0
      this.#known.clear()
      this.#objects.clear()
    }
    for (; this.#taken < this.set.size; this.#taken++) {
      if (!this.set.ledger.makesAt(this.#taken)) continue
      for (const op of this.#opsOf(this.#taken)) {
        const place = op.makes === undefined ? undefined : this.#placeOfTarget(op)
        if (place !== undefined) this.#objects.set(op.makes!, place)
      }
    }
  }
}

/** Whether an item of a list could be meant by a pointer. */
export function mayNameItem(pointer: string): boolean {
  return ITEM_OR_END.test(pointer)
}

const ITEM_OR_END = /\/(?:\d+|-)(?=\/|$)/

/** Whether a place may be that of a pointer. */
function isWrittenAs(place: string, pointer: string): boolean {
  const keys = keysOf(pointer)
  const named = keysOf(place)
  return (
    keys.length === named.length &&
    named.every((key, index) => {
      const written = keys[index]!
      return itemIdOf(key) === undefined ? keyOfPlace(key) === written : itemIndex(written) !== undefined
    })
  )
}

const PLACES = new WeakMap<ChangeSet, Places>()

/** Those of a set, found once. */
export function placesOf(set: ChangeSet): Places {
  const known = PLACES.get(set)
  if (known) return known
  const places = new Places(set)
  PLACES.set(set, places)
  return places
}
