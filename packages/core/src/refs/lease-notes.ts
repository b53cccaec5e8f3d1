import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'

/** Asks for a lease, or gives it back, in the change that says so. */
export interface LeaseNote {
  /** `branch:<name>`, `effect:<key>` or `wake:<subscription>` */
  readonly on: string
  /** One more than the last that was granted; the same when it is given back. */
  readonly epoch: number
  /** From 1; 0 gives it back. */
  readonly ttl_ms: number
  /** Nobody is ever to have it again: what it was asked for is done. Then `ttl_ms` is 0. */
  readonly final?: boolean
}

/** Under which epochs a change was written, by ref. */
export type EpochsNote = Readonly<Record<string, number>>

/** Checks what a header says of leases. @throws TypeError */
export function checkLeaseNotes(lease: unknown, under: unknown): void {
  if (lease !== undefined) {
    if (!isPlainObject(lease) || !isRef(lease.on) || !isCount(lease.epoch, 1) || !isCount(lease.ttl_ms, 0)) {
      throw new TypeError('lease is not a ref, an epoch and a length')
    }
    if (lease.final !== undefined && (typeof lease.final !== 'boolean' || lease.ttl_ms !== 0)) {
      throw new TypeError('a lease that is final has no length')
    }
  }
  if (under === undefined) return
  if (!isPlainObject(under) || Object.keys(under).length > LIMITS.leases_per_change_max) {
    throw new TypeError('under is not a short map')
  }
  for (const [on, epoch] of Object.entries(under)) {
    if (!isRef(on) || !isCount(epoch, 1)) throw new TypeError('under does not name epochs')
  }
}

function isRef(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LIMITS.ref_chars_max
}

function isCount(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least
}
