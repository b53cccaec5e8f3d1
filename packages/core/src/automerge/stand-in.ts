import { decodeChange, encodeChange } from '@automerge/automerge'
import { compareBytes, fromHex, toHex } from '../base/bytes.js'
import { reasonOf, WeftError } from '../base/errors.js'
import { HASH_BYTES } from '../base/hash.js'
import { type ChangeId, isChangeId } from '../base/ids.js'
import { isPlainObject, type Json } from '../base/json.js'
import type { Hash } from '../base/ports.js'
import { ENGINE_KINDS } from '../refs/engine-kinds.js'
import type { Change } from '../change/change.js'
import { readStateChunk, type StateChunk } from './automerge-chunk.js'

/*
 * What stands in for an erased state change (ERA-1): Automerge's own hash of the change as it was, 32 bytes, then an
 * Automerge change that does the same with every value null. Later changes name the first as their dep, so it is kept.
 */

/** The kind of the entries of a change that erases: one for each state change that it names. */
export const STAND_IN_KIND = `${ENGINE_KINDS}stand-in`

/** The Automerge change in a stand-in, and that of which it is the rest. */
export interface StandIn {
  /** As `readStateChunk` reads it, but for the hash, which is of the change as it was. */
  readonly chunk: StateChunk
  readonly bytes: Uint8Array
}

/** What is left of a state change when its values are gone. @throws WEFT_ERASE_REFUSED when Automerge cannot read it */
export function standInFor(change: Change, hash: Hash): Uint8Array {
  const state = change.state!
  try {
    const { hash: _, ...decoded } = decodeChange(state) as ReturnType<typeof decodeChange> & { hash?: string }
    const ops = decoded.ops.map(op => (op.action === 'set' ? withoutValue(op) : op))
    const scrubbed = encodeChange({ ...decoded, message: null, ops })
    const standIn = new Uint8Array(HASH_BYTES + scrubbed.length)
    standIn.set(fromHex(readStateChunk(state, hash).hash))
    standIn.set(scrubbed, HASH_BYTES)
    return standIn
  } catch (cause) {
    throw refused(change.id, `Automerge cannot read its state: ${reasonOf(cause)}`, cause)
  }
}

/** @throws WEFT_CHANGE_STATE */
export function readStandIn(standIn: Uint8Array, hash: Hash): StandIn {
  const bytes = standIn.subarray(HASH_BYTES)
  return { bytes, chunk: { ...readStateChunk(bytes, hash), hash: toHex(standIn, 0, HASH_BYTES) } }
}

/** As an entry of the change that erases holds it. */
export function standInValue(change: ChangeId, standIn: Uint8Array): Json {
  return { change, standIn: toHex(standIn) }
}

/** The stand-ins that a change carries, by the change each is for. What is none is passed over, alike everywhere. */
export function standInsOf(change: Change, hash: Hash): ReadonlyMap<ChangeId, Uint8Array> {
  const found = new Map<ChangeId, Uint8Array>()
  if (!change.header.kinds.includes(STAND_IN_KIND) || change.lacksEntries) return found
  for (const value of change.values()) {
    if (!isPlainObject(value) || !isChangeId(value.change)) continue
    const standIn = standInIn(value.standIn, hash)
    if (standIn) found.set(value.change, standIn)
  }
  return found
}

/**
 * Holds a stand-in against what is here of the state change: all of it, or what stands in for it already.
 * @throws WEFT_ERASE_REFUSED
 */
export function checkStandIn(target: Change, standIn: Uint8Array, hash: Hash): void {
  const right = target.state === null ? target.standIn : standInFor(target, hash)
  if (right !== null && compareBytes(right, standIn) === 0) return
  throw refused(target.id, 'what is to stand in for its state is not its state without the values')
}

function standInIn(hex: unknown, hash: Hash): Uint8Array | undefined {
  if (typeof hex !== 'string' || !HEX.test(hex)) return undefined
  const standIn = fromHex(hex)
  try {
    readStandIn(standIn, hash)
    return standIn
  } catch {
    return undefined
  }
}

const HEX = /^(?:[0-9a-f]{2})+$/

function withoutValue<Op extends object>(op: Op): Op {
  const { datatype: _, ...rest } = op as Op & { datatype?: unknown }
  return { ...rest, value: null } as unknown as Op
}

function refused(change: ChangeId, reason: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_ERASE_REFUSED',
    `change ${change.slice(0, 12)} cannot be erased so: ${reason}`,
    'let a Weft replica make the change that erases: `weft erase`, or `context.erase`',
    { change },
    { cause },
  )
}
