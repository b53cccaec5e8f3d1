import { hash } from 'node:crypto'
import { type LogHead, unpackIds, type WorkflowId } from '@weft/core'
import { decode, encode } from 'cborg'
import { SHA256_BYTES } from './hash.js'

/*
 * A head record: the SHA-256 of the key and what follows, then a CBOR map `{ v: 1, count, heads }`, heads being the ids
 * end to end. The key is part of what is hashed, so that a head under a damaged key is not taken for another context's.
 */

const HEAD_VERSION = 1

export function encodeHead(key: string, head: LogHead): Uint8Array {
  const body = encode({ v: HEAD_VERSION, count: head.count, heads: Buffer.from(head.heads.join(''), 'hex') })
  return Buffer.concat([seal(key, body), body])
}

/** @throws Error that says what is damaged */
export function decodeHead(key: string, workflow: WorkflowId, value: Uint8Array): LogHead {
  const body = value.subarray(SHA256_BYTES)
  if (!seal(key, body).equals(value.subarray(0, SHA256_BYTES))) {
    throw new RangeError('the head record does not match its checksum')
  }
  const map: unknown = decode(body, { strict: true, rejectDuplicateMapKeys: true })
  if (!isHeadMap(map)) throw new RangeError('the head record is of a version that this build cannot read')
  return { workflow, count: map.count, heads: unpackIds(map.heads) }
}

function seal(key: string, body: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(key), body]), 'buffer')
}

function isHeadMap(map: unknown): map is { count: number; heads: Uint8Array } {
  return (
    typeof map === 'object' &&
    map !== null &&
    'v' in map &&
    map.v === HEAD_VERSION &&
    'count' in map &&
    Number.isSafeInteger(map.count) &&
    'heads' in map &&
    map.heads instanceof Uint8Array
  )
}
