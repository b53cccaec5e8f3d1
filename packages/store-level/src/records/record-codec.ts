import { crc32 } from 'node:zlib'
import { type ChangeId, decodeChange, type Position, type VerifiedRecord } from '@weft/core'
import { SHA256_BYTES, sha256 } from '../base/hash.js'

/*
 * A log record: the change's id (32 bytes), the CRC-32 of the key it was written under (4 bytes, big endian), then
 * the exact bytes of the change. The id seals the content. The checksum seals the place: a damaged key would otherwise
 * show a sound change at another position, in another context or to another tenant.
 */

const KEY_SUM_AT = SHA256_BYTES
const CHANGE_AT = KEY_SUM_AT + 4

export function encodeRecord(key: string, id: ChangeId, bytes: Uint8Array): Uint8Array {
  const value = Buffer.allocUnsafe(CHANGE_AT + bytes.length)
  value.write(id, 0, SHA256_BYTES, 'hex')
  value.writeUInt32BE(crc32(key), KEY_SUM_AT)
  value.set(bytes, CHANGE_AT)
  return value
}

/** How long the change in a record is, sound or not. @param overhead_bytes what encryption adds to a value */
export function changeBytesOf({ length }: Uint8Array, overhead_bytes: number): number {
  return Math.max(0, length - CHANGE_AT - overhead_bytes)
}

/** Verifies all of it (DUR-4). The bytes returned are a view of `value`. @throws Error that says what is damaged */
export function decodeRecord(position: Position, key: string, value: Uint8Array): VerifiedRecord {
  if (value.length <= CHANGE_AT) throw new RangeError(`the record has only ${value.length} bytes`)
  if (uint32At(value, KEY_SUM_AT) !== crc32(key)) throw new RangeError('it belongs under another key')
  // A Uint8Array, not a Buffer: the two differ in what slice() does.
  const bytes = new Uint8Array(value.buffer, value.byteOffset + CHANGE_AT, value.length - CHANGE_AT)
  const change = decodeChange(bytes, sha256)
  const { ids, idAt } = change
  for (let i = 0; i < SHA256_BYTES; i++) {
    if (value[i] !== ids[idAt + i]) throw new RangeError('its bytes are not those of its id')
    spelling[i] = value[i]!
  }
  return { position, id: spelling.toString('hex'), bytes, change }
}

/** Used again for each id: a view of every record's own would be thrown away at once. */
const spelling = Buffer.alloc(SHA256_BYTES)

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
