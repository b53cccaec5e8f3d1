import { decodeUtf8 } from './bytes.js'
import { WeftError } from './errors.js'
import { LIMITS } from './limits.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/**
 * Throws unless JSON can carry `value` without losing anything: no undefined items, NaN, bigints, dates, class
 * instances, cycles. A property whose value is undefined counts as absent. @throws WEFT_VALUE_NOT_JSON
 */
export function assertJson(value: unknown, pointer = '', depth = 0): asserts value is Json {
  if (value === null) return
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (Number.isFinite(value)) return
      throw notJson(pointer, String(value))
    case 'object':
      break
    default:
      throw notJson(pointer, `a ${typeof value}`)
  }
  if (depth >= LIMITS.value_depth_max) {
    throw notJson(pointer, `nested deeper than ${LIMITS.value_depth_max} levels (or a cycle)`)
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertJson(value[i], `${pointer}/${i}`, depth + 1)
    return
  }
  if (!isPlainObject(value)) throw notJson(pointer, `an instance of ${value.constructor?.name ?? 'a class'}`)
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw notJson(pointer, 'an object with the key "__proto__"')
    const item = value[key]
    // Where nothing can be wrong no pointer is made for it.
    if (item === undefined || typeof item === 'string' || typeof item === 'boolean') continue
    if (typeof item === 'number' && Number.isFinite(item)) continue
    assertJson(item, depth < 8 ? childPointer(pointer, key) : pointer, depth + 1)
  }
}

/** Parses the JSON text in `bytes[start…end]`. @throws SyntaxError · TypeError */
export function parseJson(bytes: Uint8Array, start: number, end: number): unknown {
  return JSON.parse(decodeUtf8(bytes.subarray(start, end)))
}

/** Throws when a text in `value`, or a key, has half a surrogate pair: UTF-8 has no bytes for it. @throws WEFT_VALUE_NOT_JSON */
export function assertWellFormed(value: Json, pointer = ''): void {
  if (typeof value === 'string' && hasHalfPair(value))
    throw notJson(pointer, 'a text with half a surrogate pair')
  if (typeof value !== 'object' || value === null) return
  for (const key of Object.keys(value)) {
    if (hasHalfPair(key)) throw notJson(pointer, 'an object with half a surrogate pair in a key')
    const item = (value as JsonObject)[key]
    const isText = typeof item === 'string' && hasHalfPair(item)
    if (isText || typeof item === 'object') assertWellFormed(item, childPointer(pointer, key))
  }
}

/** Whether UTF-8 would carry another text in the place of this one. */
export function hasHalfPair(text: string): boolean {
  return HALF_PAIR.test(text)
}

const HALF_PAIR = /\p{Surrogate}/u

function notJson(pointer: string, what: string): WeftError {
  return new WeftError(
    'WEFT_VALUE_NOT_JSON',
    `the value at "${pointer}" is ${what}, which JSON cannot carry`,
    'pass null, booleans, finite numbers, strings, arrays and plain objects',
    { pointer },
  )
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

export function jsonEquals(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isJsonArray(a)) {
    return isJsonArray(b) && a.length === b.length && a.every((item, i) => jsonEquals(item, b[i]))
  }
  if (isJsonArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && jsonEquals(a[key], b[key]))
  )
}

export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** Whether it has others within. */
export function isContainer(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

/** One text per value: keys sorted by code unit, no white space. After RFC 8785, for values JSON can carry. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isJsonArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const properties = Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${canonicalJson(value[key]!)}`)
  return `{${properties.join(',')}}`
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const item of Object.values(value)) deepFreeze(item)
  return Object.freeze(value)
}

/**
 * A frozen copy with keys in the order of their code units, and without properties that are undefined.
 * @param before such a copy: what equals what that has at the same place, is that itself
 */
export function frozenCopy<T extends Json>(value: T, before: Json = null): T {
  if (!isContainer(value) || value === before) return value
  const copy = isJsonArray(value) ? copyOfList(value, before) : copyOfMap(value, before)
  return (hasTheSame(copy, before) ? before : Object.freeze(copy)) as T
}

function copyOfList(value: readonly Json[], before: Json): readonly Json[] {
  const known = isJsonArray(before) ? before : NO_ITEMS
  return value.map((item, at) => frozenCopy(item, known[at]))
}

function copyOfMap(value: JsonObject, before: Json): JsonObject {
  const known = isContainer(before) && !isJsonArray(before) ? before : NO_PROPERTIES
  const copy: Record<string, Json> = {}
  for (const key of sorted(Object.keys(value))) {
    const item = value[key]
    if (item === undefined) continue
    const kept = frozenCopy(item, Object.hasOwn(known, key) ? known[key] : undefined)
    if (key === '__proto__') Object.defineProperty(copy, key, { value: kept, enumerable: true })
    else copy[key] = kept
  }
  return copy
}

const NO_ITEMS: readonly Json[] = []
const NO_PROPERTIES: JsonObject = {}

function hasTheSame(a: readonly Json[] | JsonObject, b: Json): boolean {
  if (!isContainer(b)) return false
  if (isJsonArray(a)) return isJsonArray(b) && a.length === b.length && a.every((item, at) => item === b[at])
  const keys = Object.keys(a)
  return (
    !isJsonArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && a[key] === b[key])
  )
}

/** Sorts in place; what is in order already, as most is that comes from a copy, takes one look. */
function sorted(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.sort()
  return keys
}

/** RFC 6901: `~` is written `~0`, `/` is written `~1`. */
export function childPointer(parent: string, key: string | number): string {
  const text = String(key)
  return `${parent}/${/[~/]/.test(text) ? text.replaceAll('~', '~0').replaceAll('/', '~1') : text}`
}

/** Returns `pointer` if it is one. @throws WEFT_POINTER_INVALID */
export function checkPointer(pointer: string): string {
  const isText = typeof pointer === 'string'
  if (isText && (pointer === '' || (pointer.startsWith('/') && !BAD_ESCAPE.test(pointer)))) return pointer
  throw new WeftError(
    'WEFT_POINTER_INVALID',
    `${isText ? JSON.stringify(pointer) : `what is of type ${typeof pointer}`} is not a JSON pointer`,
    'write "" for the whole state or "/key/key", with "~0" for "~" and "~1" for "/" (RFC 6901)',
  )
}

const BAD_ESCAPE = /~(?![01])/

/** The keys of a JSON pointer; `''` is the whole document. @throws WEFT_POINTER_INVALID */
export function parsePointer(pointer: string): string[] {
  checkPointer(pointer)
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The value at `pointer`, or undefined when there is nothing. */
export function valueAt(root: Json, pointer: string): Json | undefined {
  let value: Json | undefined = root
  for (const key of parsePointer(pointer)) {
    if (value === null || typeof value !== 'object') return undefined
    const isItem: boolean = Object.hasOwn(value, key) && !(key === 'length' && Array.isArray(value))
    value = isItem ? (value as JsonObject)[key] : undefined
    if (value === undefined) return undefined
  }
  return value
}

/** STL-2: two pointers touch when one is a prefix of the other. */
export function pointersTouch(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
}
