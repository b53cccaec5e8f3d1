import type { Position, TenantId, WorkflowId } from '@weft/core'

/*
 * Layout of the store. A key is text; its parts are separated by NUL, which no id can contain (TEN-3) and which sorts
 * before every character of an id. So the keys of one tenant, and of one log, are one contiguous range each, and keys
 * sort as the ids do: "a" before "a-b" before "a.b".
 *
 *   <tenant> NUL h NUL <workflow>                     head record of a context (head-codec.ts)
 *   <tenant> NUL l NUL <workflow> NUL <position>      one committed change (record-codec.ts); 14 hex digits
 *
 * The tenant is the first part of every key (TEN-2). Heads lie apart from logs, so that listing contexts reads no log.
 * Keys that begin with "!", as no tenant id can, are the store's own:
 *
 *   !dropping NUL <tenant>                            a drop that has begun (drop.ts)
 *   !usage NUL <tenant>                               how much a tenant stores (usage.ts)
 *   !erasing NUL <first record> NUL NUL <last record> records whose old values may still be on the disk (scrub.ts)
 *   !format                                           version of this layout
 *   !seal                                             what all contexts together come to (store-seal.ts)
 */

const SEPARATOR = '\0'
const AFTER_SEPARATOR = '\x01'
const POSITION_DIGITS = 14
/** What stands before so many digits of a position. */
const ZEROS = Array.from({ length: POSITION_DIGITS + 1 }, (_, digits) => '0'.repeat(POSITION_DIGITS - digits))

export const FORMAT_KEY = '!format'
export const SEAL_KEY = '!seal'

/** Keys from `gte` on and before `lt`. */
export interface KeyRange {
  readonly gte: string
  readonly lt: string
}

function childrenOf(prefix: string): KeyRange {
  return { gte: prefix + SEPARATOR, lt: prefix + AFTER_SEPARATOR }
}

/** Every key of every tenant: all that sort after the store's own. */
export const TENANT_KEYS: KeyRange = { gte: '"', lt: '\x7f' }

export const DROPPING_KEYS = childrenOf('!dropping')

export const ERASING_KEYS = childrenOf('!erasing')
const BETWEEN_KEYS = SEPARATOR + SEPARATOR

/** The mark that says that what the records from one key to another held before may still be on the disk. */
export function erasingKey(first: string, last: string): string {
  return ERASING_KEYS.gte + first + BETWEEN_KEYS + last
}

/** The keys that such a mark names; of a damaged one undefined. */
export function erasedBetween(key: string): { readonly first: string; readonly last: string } | undefined {
  const [first, last, more] = key.slice(ERASING_KEYS.gte.length).split(BETWEEN_KEYS)
  return first && last && more === undefined ? { first, last } : undefined
}

export function droppingTenantOf(key: string): TenantId {
  return key.slice(DROPPING_KEYS.gte.length)
}

/** The tenant whose key this is; undefined when no key of this layout looks so. */
export function tenantOf(key: string): TenantId | undefined {
  return /^([A-Za-z0-9._~-]{1,128})\0[hl]\0/.exec(key)?.[1]
}

/** Whether a key of any tenant is that of a head record. */
export function isHead(key: string): boolean {
  return /^[^\0]*\0h\0/.test(key)
}

/** The keys of one tenant. Code that holds this cannot spell a key of another. */
export class TenantKeys {
  readonly all: KeyRange
  readonly heads: KeyRange
  readonly logs: KeyRange
  /** Outside `all`: it must outlive the keys that it says are being removed. */
  readonly dropping: string
  /** Outside `all`, for it is no part of any context. */
  readonly usage: string

  constructor(readonly tenant: TenantId) {
    this.all = childrenOf(tenant)
    this.heads = childrenOf(`${tenant}${SEPARATOR}h`)
    this.logs = childrenOf(`${tenant}${SEPARATOR}l`)
    this.dropping = DROPPING_KEYS.gte + tenant
    this.usage = `!usage${SEPARATOR}${tenant}`
  }

  head(workflow: WorkflowId): string {
    return this.heads.gte + workflow
  }

  log(workflow: WorkflowId): KeyRange {
    return childrenOf(this.logs.gte + workflow)
  }

  record(workflow: WorkflowId, position: Position): string {
    const digits = position.toString(16)
    return this.logs.gte + workflow + SEPARATOR + ZEROS[digits.length] + digits
  }

  isHead(key: string): boolean {
    return key.startsWith(this.heads.gte)
  }

  workflowOfHead(key: string): WorkflowId {
    return key.slice(this.heads.gte.length)
  }

  workflowOfRecord(key: string): WorkflowId {
    return key.slice(this.logs.gte.length, key.lastIndexOf(SEPARATOR))
  }

  /** NaN for a damaged key, which equals no position. */
  positionOf(key: string): Position {
    return Number.parseInt(key.slice(key.lastIndexOf(SEPARATOR) + 1), 16)
  }
}
