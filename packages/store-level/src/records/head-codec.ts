import { hash } from 'node:crypto'
import { CborWriter, type LogHead, toHex, unpackIds, type WorkflowId } from '@weft/core'
import { decode } from 'cborg'
import { SHA256_BYTES, sha256 } from '../base/hash.js'

/*
 * A sealed record: the SHA-256 of its key and what follows, then a CBOR map. The key is part of what is hashed, so that a
 * record under a damaged key is not taken for another one's. A head is `{ v: 2, count, heads, run }`: heads are the ids
 * end to end, run is the running hash.
 */

/** A head record as it stands in the store; without its meaning when it is damaged. */
export interface StoredHead {
  readonly value: Uint8Array
  readonly head: LogHead | undefined
}

const HEAD_VERSION = 2

/** How much of a sealed record is its checksum. It stays as it is in a store that is encrypted: the store's seal is made of it. */
export const SEAL_BYTES = SHA256_BYTES

export function encodeHead(key: string, { count, heads, runningHash }: LogHead): Uint8Array {
  return encodeSealed(key, map => {
    map.map(4).text('v').uint(HEAD_VERSION).text('run').byteString(Buffer.from(runningHash, 'hex'))
    map
      .text('count')
      .uint(count)
      .text('heads')
      .byteString(Buffer.from(heads.join(''), 'hex'))
  })
}

/** @throws Error that says what is damaged */
export function decodeHead(key: string, workflow: WorkflowId, value: Uint8Array): LogHead {
  const map = decodeSealed('head record', key, value)
  if (!isHeadMap(map)) throw new RangeError('the head record is of a version that this build cannot read')
  return { workflow, count: map.count, heads: unpackIds(map.heads), runningHash: toHex(map.run) }
}

const writer = new CborWriter()

/**
 * Every batch writes several of these: an encoder of any map makes objects of their keys, to sort them, and leaves them
 * to the garbage collector.
 * @param write writes the map, its keys in CBOR's canonical order: the shorter one first
 */
export function encodeSealed(key: string, write: (map: CborWriter) => void): Uint8Array {
  const keyBytes = Buffer.from(key)
  write(writer.reset().raw(keyBytes))
  const sealed = writer.written()
  // Heads are kept for long. One that was cut from a pool would keep all of that, and what was sent and read in it.
  const value = Buffer.allocUnsafeSlow(SHA256_BYTES + sealed.length - keyBytes.length)
  sha256(sealed, value, 0)
  value.set(sealed.subarray(keyBytes.length), SHA256_BYTES)
  return value
}

/** @throws Error that says what is damaged */
export function decodeSealed(what: string, key: string, value: Uint8Array): unknown {
  const body = value.subarray(SHA256_BYTES)
  if (!checksum(key, body).equals(sealOf(value))) {
    throw new RangeError(`the ${what} does not match its checksum`)
  }
  return decode(body, { strict: true, rejectDuplicateMapKeys: true })
}

/** The checksum that a sealed record begins with, as it stands there. */
export function sealOf(value: Uint8Array): Uint8Array {
  return value.subarray(0, SHA256_BYTES)
}

function checksum(key: string, body: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(key), body]), 'buffer')
}

function isHeadMap(map: unknown): map is { count: number; heads: Uint8Array; run: Uint8Array } {
  return (
    typeof map === 'object' &&
    map !== null &&
    'v' in map &&
    map.v === HEAD_VERSION &&
    'count' in map &&
    Number.isSafeInteger(map.count) &&
    'heads' in map &&
    map.heads instanceof Uint8Array &&
    'run' in map &&
    map.run instanceof Uint8Array
  )
}
