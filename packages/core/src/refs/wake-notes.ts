import { isPlainObject } from '../base/json.js'
import { checkFilter, type Filter } from './filter.js'
import type { LeaseNote } from './lease-notes.js'
import { subscriptionOf } from './lease-refs.js'

/**
 * What a change says of the subscription whose lease it gives back: up to where it is acknowledged; with a filter, that
 * it begins there.
 */
export interface WakeNote {
  readonly upTo: number
  /** The id of the change at that position: 32 bytes, none at 0. A log that has another one there went another way. */
  readonly last: Uint8Array
  readonly filter?: Filter
}

const HASH_BYTES = 32

/** Checks what a header says of a subscription, and of which. @throws TypeError · WEFT_FILTER_INVALID */
export function checkWakeNote(wake: unknown, lease: LeaseNote | unknown): void {
  if (wake === undefined) return
  const gaveBack =
    isPlainObject(lease) && lease.ttl_ms === 0 && subscriptionOf(String(lease.on)) !== undefined
  if (!gaveBack) throw new TypeError('wake is not of a subscription that is given back')
  if (!isPlainObject(wake) || !isMark(wake))
    throw new TypeError('wake is not a position and the change there')
  if (wake.filter !== undefined) checkFilter(wake.filter)
}

function isMark({ upTo, last }: Record<string, unknown>): boolean {
  if (!Number.isSafeInteger(upTo) || (upTo as number) < 0 || !(last instanceof Uint8Array)) return false
  return last.length === (upTo === 0 ? 0 : HASH_BYTES)
}
