import { WeftError } from '../base/errors.js'
import { checkPointer, hasHalfPair } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { type Move, moveIn, moveMark, namesItem, sayWritten, writtenTouches } from './list-marks.js'

/** The name of something that can be read, apart from the version of it that was seen or written. */
export interface VersionedRef {
  readonly ref: string
  readonly version?: string
}

/** What precedes the pointer in a ref to state. */
export const STATE_REF = 'state:'
const ENTRY = 'entry:'
const SCHEMES =
  /^(state:(\/.*)?|entry:[0-9a-f]{64}\.\d{1,4}|overlay:[A-Za-z0-9._~-]{1,128}(@[^@/]+)?|ext:.+)$/s
/** A version has no `/`, so that `ext:` may hold a URI with an `@` in its authority. */
const VERSION = /^(.+)@([^@/]+)$/s

export function stateRef(pointer: string): string {
  return STATE_REF + pointer
}

export function entryRef(entry: string): string {
  return ENTRY + entry
}

/** The pointer of a `state:` ref, or undefined for other refs. */
export function pointerOf(ref: string): string | undefined {
  return ref.startsWith(STATE_REF) ? ref.slice(STATE_REF.length) : undefined
}

/** The state pointers a change wrote, as they were before it; those that go by an item with a mark in place of its index too. */
export function placesIn(writes: readonly string[]): string[] {
  return writes.flatMap(ref => {
    const pointer = pointerOf(ref)
    return pointer === undefined || moveIn(pointer) ? [] : pointer
  })
}

/** The state pointers a change wrote, as they were before it, without any that has a mark. */
export function pointersOf(writes: readonly string[]): string[] {
  return placesIn(writes).filter(pointer => !namesItem(pointer))
}

/** The items of lists that a change moved, as their marks say. */
export function movesOf(writes: readonly string[]): Move[] {
  return writes.flatMap(ref => moveIn(pointerOf(ref) ?? '') ?? [])
}

/** What touches all items of a list. */
export function itemsRef(list: string): string {
  return stateRef(moveMark({ list, from: 0, removes: false }))
}

/** A ref that was written, for people. */
export function sayRef(ref: string): string {
  const pointer = pointerOf(ref)
  return pointer === undefined ? ref : stateRef(sayWritten(pointer))
}

/** The entry of an `entry:` ref, or undefined for other refs. */
export function entryOf(ref: string): string | undefined {
  return ref.startsWith(ENTRY) ? ref.slice(ENTRY.length) : undefined
}

/** `ext:uri@version`, `overlay:name@version`, `entry:<id>` or `state:/pointer`. @throws WEFT_REF_INVALID */
export function parseRef(text: string): VersionedRef {
  if (typeof text !== 'string' || text.length > LIMITS.ref_chars_max || !SCHEMES.test(text))
    throw badRef(text)
  if (hasHalfPair(text)) throw badRef(text)
  const pointer = pointerOf(text)
  if (pointer !== undefined) checkPointer(pointer)
  const versioned = pointer === undefined ? VERSION.exec(text) : null
  return versioned ? { ref: versioned[1]!, version: versioned[2]! } : { ref: text }
}

/** As `parseRef`; what another version of Weft may have written is a ref that nothing touches, not an error. */
export function readableRef(text: string): VersionedRef {
  // It has no version, whether it can be read or not; a mark is written, and never read.
  if (text.startsWith(STATE_REF)) return { ref: text }
  try {
    return parseRef(text)
  } catch {
    return { ref: text }
  }
}

export function formatRef({ ref, version }: VersionedRef): string {
  return version === undefined ? ref : `${ref}@${version}`
}

/**
 * STL-2: whether a write touches a read. Pointers touch when one is a prefix of the other, or what was read has moved; other
 * refs when they are equal, but for a write that names the very version that was read.
 */
export function touches(write: VersionedRef, read: VersionedRef): boolean {
  const written = pointerOf(write.ref)
  const seen = pointerOf(read.ref)
  if (written !== undefined && seen !== undefined) return writtenTouches(written, seen)
  return write.ref === read.ref && !sameVersion(write, read)
}

export function sameVersion(a: VersionedRef, b: VersionedRef): boolean {
  return a.version !== undefined && a.version === b.version
}

function badRef(text: unknown): WeftError {
  return new WeftError(
    'WEFT_REF_INVALID',
    `${JSON.stringify(String(text).slice(0, 80))} is not the name of something that can be read`,
    'write state:/pointer, entry:<id>, overlay:<name> or ext:<uri>, the last two with @version if you know it',
  )
}
