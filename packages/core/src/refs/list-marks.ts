import { checkPointer, pointersTouch } from '../base/json.js'
import { LIMITS } from '../base/limits.js'

/*
 * Where the items of a list stand changes with each insertion and deletion before them, and a pointer names an item by where
 * it stands. So a header may name more than pointers: **marks**, each in the place of a key. No key can be mistaken for one,
 * for in a pointer `~` comes before 0 and 1 alone (RFC 6901).
 *
 * `/list/~>3`, a move: something was put in there, and what stood at 3 and behind it stands further back
 * `/list/~<3`, a move: something was taken out there, and what stood behind it stands further to the front
 * `/list/~@12@actor`, an item: that of the op of this number of this actor, wherever it stands, and also when it is gone
 */

/** Items of a list that are no longer where they were: those at an index, and behind it. */
export interface Move {
  readonly list: string
  readonly from: number
  /** Whether something was taken out there. */
  readonly removes: boolean
}

const MOVE = /\/~([<>])(0|[1-9]\d{0,9})$/
const ITEM = /\/~@[1-9]\d{0,9}@[0-9a-f]{32}(?=\/|$)/g
const INDEX = /^(?:0|[1-9]\d{0,9})$/
const ITEM_OR_MOVE = /\/(?:(?:0|[1-9]\d{0,9})(?=\/|$)|~[<>])/g

export function moveMark({ list, from, removes }: Move): string {
  return `${list}/~${removes ? '<' : '>'}${from}`
}

/** What a mark says, or undefined of what is no mark of a move. */
export function moveIn(pointer: string): Move | undefined {
  if (!pointer.includes('/~<') && !pointer.includes('/~>')) return undefined
  const found = MOVE.exec(pointer)
  return found
    ? { list: pointer.slice(0, found.index), from: Number(found[2]), removes: found[1] === '<' }
    : undefined
}

/** The key that stands for an item of a list, whatever its index. @param id as Automerge spells it, `counter@actor` */
export function itemKey(id: string): string {
  return `~@${id}`
}

/** The id in the key of an item; undefined of any other key. */
export function itemIdOf(key: string): string | undefined {
  return key.startsWith('~@') ? key.slice(2) : undefined
}

/** Whether a pointer goes by an item that is named by its mark, as one does that is in its list no more. */
export function namesItem(pointer: string): boolean {
  return pointer.includes('/~@')
}

/** Returns `pointer` if it is one, or has marks of items in the place of keys. @throws WEFT_POINTER_INVALID */
export function checkPlace(pointer: string): string {
  if (typeof pointer === 'string' && namesItem(pointer)) checkPointer(pointer.replace(ITEM, '/0'))
  else checkPointer(pointer)
  return pointer
}

/**
 * Returns what a header names as written if a header may: a pointer, or a mark. @throws WEFT_POINTER_INVALID · RangeError of a
 * mark deeper than any list: it would be followed through each level
 */
export function checkWritten(pointer: string): string {
  const list = moveIn(pointer)?.list
  if (list !== undefined && keysOf(list).length > LIMITS.value_depth_max)
    throw new RangeError('no list is so deep that its items could have moved')
  checkPlace(list ?? pointer)
  return pointer
}

/**
 * That of each list at most two moves are named, what was put in and what was taken out, each from the lowest index on: each that
 * is named is followed on its own. @throws RangeError
 */
export function checkMoves(pointers: readonly string[]): void {
  let seen: Set<string> | undefined
  for (const pointer of pointers) {
    const move = moveIn(pointer)
    if (move === undefined) continue
    seen ??= new Set()
    const kind = moveMark({ ...move, from: 0 })
    if (seen.has(kind))
      throw new RangeError('it says more than once from where on the items of a list have moved')
    seen.add(kind)
  }
}

/** The keys of a pointer, or of what has marks in the place of some, as they are written. */
export function keysOf(pointer: string): string[] {
  return pointer === '' ? [] : pointer.slice(1).split('/')
}

/** What a key is as the index of an item; undefined of one that is none. */
export function itemIndex(key: string): number | undefined {
  return INDEX.test(key) ? Number(key) : undefined
}

/** At which item of a list a pointer goes on, or a move of that list begins; undefined where it is no item. */
export function indexIn(list: string, pointer: string): number | undefined {
  const start = list.length + 1
  const end = pointer.indexOf('/', start)
  const key = end < 0 ? pointer.slice(start) : pointer.slice(start, end)
  return itemIndex(key) ?? (end < 0 ? moveIn(pointer)?.from : undefined)
}

/** What may be lists of which items a pointer goes through, or that a mark is of, from the outermost on. */
export function* listsAbove(pointer: string): Generator<string> {
  let depth = 0
  for (const { index } of pointer.matchAll(ITEM_OR_MOVE)) {
    // What is deeper is no list of any state.
    if (depth++ > LIMITS.value_depth_max) return
    yield pointer.slice(0, index)
  }
}

/**
 * STL-2, of what a header names as written, and a pointer that was read: one is a prefix of the other, or items have moved
 * and the read was of one of them, or of something in one.
 */
export function writtenTouches(written: string, read: string): boolean {
  if (pointersTouch(written, read)) return true
  const move = moveIn(written)
  if (move === undefined || !read.startsWith(`${move.list}/`)) return false
  const index = indexIn(move.list, read)
  return index !== undefined && index >= move.from
}

/** A pointer in words, for people: a mark says what it stands for. */
export function sayWritten(pointer: string): string {
  const move = moveIn(pointer)
  if (move) return `${sayWritten(move.list)} (items from ${move.from} on have moved)`
  return pointer.replace(ITEM, '/(an item that is gone)')
}
