import { hexEquals, toHex, writeHex } from './bytes.js'
import { WeftError } from './errors.js'
import { HASH_BYTES, hexHash } from './hash.js'
import type { ActorId } from './ids.js'
import type { Hash } from './ports.js'

/**
 * The head of an Automerge change chunk, read without Automerge: enough to refuse most hostile changes at a door that
 * must not materialise anything. Format: https://automerge.org/automerge-binary-format-spec/ (change chunk).
 */
export interface StateChunk {
  /** Automerge's own hash of the change. */
  readonly hash: string
  readonly deps: readonly string[]
  readonly actor: ActorId
  readonly seq: number
  readonly startOp: number
}

const SUM_AT = 4
const HASHED_AT = 8
const LENGTH_AT = 9
const MAGIC = '856f4a83'
const CHUNK_CHANGE = 1
/** Above this an Automerge change applies and saves, and the document can never be loaded again. */
const START_OP_MAX = 0x7fffffff

/** @throws WEFT_CHANGE_STATE */
export function readStateChunk(bytes: Uint8Array, hash: Hash): StateChunk {
  if (bytes.length < 12 || !hexEquals(MAGIC, bytes)) throw badState('it is not an Automerge chunk')
  if (bytes[HASHED_AT] !== CHUNK_CHANGE)
    throw badState(`chunk type ${bytes[HASHED_AT]} is not an uncompressed change`)
  const sum = hexHash(hash, bytes.subarray(HASHED_AT))
  if (toHex(bytes, SUM_AT, HASHED_AT) !== sum.slice(0, 8)) throw badState('its checksum is wrong')
  let at = LENGTH_AT
  const uleb = (): number => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw badState('a number in its head is broken')
  }
  const take = (length: number): string => {
    if (at + length > bytes.length) throw badState('it ends early')
    at += length
    return toHex(bytes, at - length, at)
  }
  const length = uleb()
  if (at + length !== bytes.length) throw badState('its length is wrong')
  const depCount = uleb()
  if (depCount * HASH_BYTES > bytes.length) throw badState('it ends early')
  const deps = Array.from({ length: depCount }, () => take(HASH_BYTES))
  const actor = take(uleb())
  const seq = uleb()
  const startOp = uleb()
  if (startOp < 1 || startOp > START_OP_MAX) throw badState(`startOp ${startOp} is out of range`)
  return { hash: sum, deps, actor, seq, startOp }
}

/**
 * The same change behind other deps, as many as it has: what Automerge applies where one of them is here in another form.
 * @param deps in hex, in the order in which Automerge writes them: ascending
 */
export function withDeps(bytes: Uint8Array, deps: readonly string[], hash: Hash): Uint8Array {
  // A copy of a Buffer too: its own slice() would be the same bytes.
  const changed = Uint8Array.from(bytes)
  let at = afterUleb(bytes, afterUleb(bytes, LENGTH_AT))
  for (const dep of deps) {
    writeHex(dep, changed, at)
    at += HASH_BYTES
  }
  writeHex(hexHash(hash, changed.subarray(HASHED_AT)).slice(0, 8), changed, SUM_AT)
  return changed
}

function afterUleb(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at]! >= 0x80) at++
  return at + 1
}

export function badState(reason: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_STATE',
    `the state part of the change is refused: ${reason}`,
    'the author must write state through its own Weft handle; nothing of this change was applied',
  )
}
