import type { getBackend } from '@automerge/automerge'
import { childPointer, isJsonArray, type Json, type JsonObject, jsonEquals } from './json.js'

export type AutomergeDocument = ReturnType<typeof getBackend>
type Key = string | number

/**
 * Writes the difference between two JSON values into an Automerge document as few, small operations, and returns the
 * pointers it wrote. Strings are scalars here: two authors who replace one text are in conflict, not mixed by letters.
 */
export function writeDifference(document: AutomergeDocument, base: JsonObject, next: JsonObject): string[] {
  const writes: string[] = []
  differMap({ document, writes }, '/', '', base, next)
  return [...new Set(writes)]
}

interface Target {
  readonly document: AutomergeDocument
  readonly writes: string[]
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

/** What both ends share stays; of the middle, items are changed in place, then the surplus is deleted or inserted. */
function differList(
  target: Target,
  object: string,
  pointer: string,
  base: readonly Json[],
  next: readonly Json[],
): void {
  const shorter = Math.min(base.length, next.length)
  let head = 0
  while (head < shorter && jsonEquals(base[head], next[head])) head++
  let tail = 0
  while (tail < shorter - head && jsonEquals(base[base.length - 1 - tail], next[next.length - 1 - tail]))
    tail++
  const baseEnd = base.length - tail
  const nextEnd = next.length - tail
  let at = head
  for (; at < baseEnd && at < nextEnd; at++) {
    if (jsonEquals(base[at], next[at])) continue
    differValue(target, object, at, childPointer(pointer, at), base[at], next[at]!)
  }
  for (let i = baseEnd - 1; i >= at; i--) {
    target.document.delete(object, i)
    target.writes.push(childPointer(pointer, i))
  }
  for (; at < nextEnd; at++) {
    insert(target.document, object, at, next[at]!)
    target.writes.push(childPointer(pointer, '-'))
  }
}

function isContainer(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function childObject({ document }: Target, object: string, key: Key): string {
  return document.get(object, key) as string
}

function put(document: AutomergeDocument, object: string, key: Key, value: Json): void {
  if (isContainer(value)) fill(document, document.putObject(object, key, isJsonArray(value) ? [] : {}), value)
  else document.put(object, key, value, datatype(value))
}

function insert(document: AutomergeDocument, object: string, index: number, value: Json): void {
  if (isContainer(value))
    fill(document, document.insertObject(object, index, isJsonArray(value) ? [] : {}), value)
  else document.insert(object, index, value, datatype(value))
}

function fill(document: AutomergeDocument, object: string, value: readonly Json[] | JsonObject): void {
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
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'f64'
}
