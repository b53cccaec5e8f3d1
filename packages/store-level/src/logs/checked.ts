import {
  isWeftError,
  type LogHead,
  type Position,
  reasonOf,
  type VerifiedRecord,
  type WorkflowId,
} from '@weft/core'
import { corrupt } from '../base/failures.js'
import type { TenantKeys } from '../base/keys.js'
import { decodeHead, SEAL_BYTES } from '../records/head-codec.js'
import { decodeRecord } from '../records/record-codec.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { ValueCipher } from '../encryption/value-cipher.js'

// What comes from the disk passes through here before anybody sees it (DUR-4). Each throws WEFT_STORE_CORRUPT.

/** Without its key nothing of a context is sound. Also @throws WEFT_STORE_KEY · WEFT_STORE_FAILED when it cannot be had now */
export async function cipherOf(
  ciphers: TenantCiphers,
  keys: TenantKeys,
  workflow: WorkflowId,
): Promise<ValueCipher> {
  try {
    return await ciphers.with(keys.tenant, cipher => cipher)
  } catch (thrown) {
    if (!isWeftError(thrown) || thrown.code !== 'WEFT_STORE_CORRUPT') throw thrown
    throw corrupt(keys.tenant, workflow, undefined, reasonOf(thrown), thrown)
  }
}

export function openHead(
  keys: TenantKeys,
  cipher: ValueCipher,
  workflow: WorkflowId,
  value: Uint8Array,
): LogHead {
  try {
    const key = keys.head(workflow)
    return decodeHead(key, workflow, cipher.open(key, value, SEAL_BYTES))
  } catch (thrown) {
    throw corrupt(keys.tenant, workflow, undefined, reasonOf(thrown), thrown)
  }
}

/** The row found where `position` should be, in a context whose head says `count`. */
export function openRecord(
  keys: TenantKeys,
  cipher: ValueCipher,
  workflow: WorkflowId,
  position: Position,
  count: Position,
  key: string,
  value: Uint8Array,
): VerifiedRecord {
  if (key !== keys.record(workflow, position)) throw missing(keys, workflow, position)
  if (position > count) throw beyond(keys, workflow, position, count)
  try {
    return decodeRecord(position, key, cipher.open(key, value))
  } catch (thrown) {
    throw corrupt(keys.tenant, workflow, position, reasonOf(thrown), thrown)
  }
}

/** What a row holds, wherever it is; undefined if it is damaged. */
export function soundRecord(
  keys: TenantKeys,
  cipher: ValueCipher,
  workflow: WorkflowId,
  key: string,
  value: Uint8Array,
): VerifiedRecord | undefined {
  const position = keys.positionOf(key)
  try {
    return openRecord(keys, cipher, workflow, position, position, key, value)
  } catch {
    return undefined
  }
}

/** Head and log are written together, so the log ends where the head says: neither before nor after. */
export function checkLogEnd(keys: TenantKeys, workflow: WorkflowId, count: Position, last: Position): void {
  if (last < count) throw missing(keys, workflow, last + 1)
  if (last > count) throw beyond(keys, workflow, last, count)
  // A damaged position is NaN, which is neither less nor more.
  if (last !== count) throw missing(keys, workflow, count)
}

function missing(keys: TenantKeys, workflow: WorkflowId, position: Position) {
  return corrupt(keys.tenant, workflow, position, 'the record is missing')
}

function beyond(keys: TenantKeys, workflow: WorkflowId, position: Position, count: Position) {
  const head = count === 0 ? 'the head record is missing' : `the head record ends at ${count}`
  return corrupt(keys.tenant, workflow, position, `there is a record here, but ${head}`)
}
