import type { getBackend } from '@automerge/automerge'
import {
  childPointer,
  isContainer,
  isJsonArray,
  type Json,
  type JsonObject,
  jsonEquals,
} from '../base/json.js'
import { endOf, listStepsAt } from '../base/list-alignment.js'
import { itemIndex, moveMark } from '../refs/list-marks.js'

export type AutomergeDocument = ReturnType<typeof getBackend>
type Key = string | number

/** What a difference is written into: a document, or what notes its ops instead (state-editor.ts). */
export type StateTarget = Pick<
  AutomergeDocument,
  'get' | 'put' | 'putObject' | 'insert' | 'insertObject' | 'delete'
>

/** What a difference wrote. */
export interface Written {
  /** Pointers as they were before, and the marks of moves. */
  readonly pointers: string[]
  /** Marks of the lists to whose end it added, or took off it: where that was. */
  readonly ends: string[]
}

/**
 * Writes the difference between two JSON values into a document as few, small operations. Strings are scalars
 * here: two authors who replace one text are in conflict, not mixed by letters.
 * @param touched pointers that the author names: items among them are those that are gone, and not others that equal them
 */
export function writeDifference(
  document: StateTarget,
  base: JsonObject,
  next: JsonObject,
  touched: readonly string[] = [],
): Written {
  const target: Target = { document, touched, writes: [], ends: [] }
  differMap(target, '/', '', base, next)
  return { pointers: [...new Set(target.writes)], ends: target.ends }
}

interface Target {
  readonly document: StateTarget
  readonly touched: readonly string[]
  readonly writes: string[]
  readonly ends: string[]
}

function differMap(
  target: Target,
  object: string,
  pointer: string,
  base: JsonObject,
  next: JsonObject,
): void {
  for (const key of Object.keys(base)) {
    if (Object.hasOwn(next, key) && next[key] !== undefined) continue
    target.document.delete(object, key)
    target.writes.push(childPointer(pointer, key))
  }
  for (const key of Object.keys(next)) {
    const value = next[key]
    if (value === undefined) continue
    const before = Object.hasOwn(base, key) ? base[key] : undefined
    // Most of a state stays as it is: nothing is made for that.
    if (!jsonEquals(before, value))
      differValue(target, object, key, childPointer(pointer, key), before, value)
  }
}

/** Writes what is at one place, which differs. */
function differValue(
  target: Target,
  object: string,
  key: Key,
  pointer: string,
  before: Json | undefined,
  after: Json,
): void {
  const nested = before !== undefined && isContainer(before) && isContainer(after)
  if (nested && isJsonArray(before) && isJsonArray(after)) {
    differList(target, childObject(target, object, key), pointer, before, after)
  } else if (nested && !isJsonArray(before) && !isJsonArray(after)) {
    differMap(target, childObject(target, object, key), pointer, before, after)
  } else {
    put(target.document, object, key, after)
    target.writes.push(pointer)
  }
}

/**
 * Pointers name items by where they stood before. What puts in or takes out behind which others stand has moved those; at the
 * end of the list nothing is moved but what somebody else puts there beside it, and that is told apart.
 */
function differList(
  target: Target,
  object: string,
  pointer: string,
  base: readonly Json[],
  next: readonly Json[],
): void {
  const moves = new Map<boolean, number>()
  const moved = (from: number, removes: boolean): void => {
    if (!moves.has(removes)) moves.set(removes, from)
  }
  /** By how much what is to come stands further back than it did. */
  let shift = 0
  const named = target.touched.flatMap(each => {
    return each.startsWith(`${pointer}/`) ? (itemIndex(each.slice(pointer.length + 1)) ?? []) : []
  })
  const steps = listStepsAt(base, next, named)
  for (const step of steps) {
    const { at } = step
    if (step.do === 'edit') {
      differValue(target, object, at + shift, childPointer(pointer, at), base[at], step.to)
    } else if (step.do === 'remove') {
      target.document.delete(object, at + shift--)
      target.writes.push(childPointer(pointer, at))
      moved(at, true)
    } else {
      insert(target.document, object, at + shift++, step.to)
      target.writes.push(childPointer(pointer, '-'))
      moved(at, false)
    }
  }
  const end = endOf(steps, base.length)
  for (const [removes, from] of moves)
    (from >= end ? target.ends : target.writes).push(moveMark({ list: pointer, from, removes }))
}

function childObject({ document }: Target, object: string, key: Key): string {
  return document.get(object, key) as string
}

function put(document: StateTarget, object: string, key: Key, value: Json): void {
  if (isContainer(value)) fill(document, document.putObject(object, key, isJsonArray(value) ? [] : {}), value)
  else document.put(object, key, value, datatype(value))
}

function insert(document: StateTarget, object: string, index: number, value: Json): void {
  if (isContainer(value))
    fill(document, document.insertObject(object, index, isJsonArray(value) ? [] : {}), value)
  else document.insert(object, index, value, datatype(value))
}

function fill(document: StateTarget, object: string, value: readonly Json[] | JsonObject): void {
  if (isJsonArray(value)) {
    value.forEach((item, index) => {
      insert(document, object, index, item)
    })
    return
  }
  for (const [key, item] of Object.entries(value)) if (item !== undefined) put(document, object, key, item)
}

function datatype(value: null | boolean | number | string): 'null' | 'boolean' | 'int' | 'f64' | 'str' {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'str'
  return isInt(value) ? 'int' : 'f64'
}

/** Whether Automerge is to keep a number as an integer. */
export function isInt(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0)
}
