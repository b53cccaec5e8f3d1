import { type LogHead, type LogRecord, type Position, reasonOf, type WorkflowId } from '@weft/core'
import { corrupt } from './failures.js'
import { decodeHead } from './head-codec.js'
import type { TenantKeys } from './keys.js'
import { decodeRecord } from './record-codec.js'

// What comes from the disk passes through here before anybody sees it (DUR-4). Each throws WEFT_STORE_CORRUPT.

export function openHead(keys: TenantKeys, workflow: WorkflowId, value: Uint8Array): LogHead {
  try {
    return decodeHead(keys.head(workflow), workflow, value)
  } catch (thrown) {
    throw corrupt(keys.tenant, workflow, undefined, reasonOf(thrown), thrown)
  }
}

/** The row found where `position` should be, in a context whose head says `count`. */
export function openRecord(
  keys: TenantKeys,
  workflow: WorkflowId,
  position: Position,
  count: Position,
  key: string,
  value: Uint8Array,
): LogRecord {
  if (key !== keys.record(workflow, position)) throw missing(keys, workflow, position)
  if (position > count) throw beyond(keys, workflow, position, count)
  try {
    return { position, ...decodeRecord(key, value) }
  } catch (thrown) {
    throw corrupt(keys.tenant, workflow, position, reasonOf(thrown), thrown)
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
