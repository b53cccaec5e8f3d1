import { WeftError } from '../base/errors.js'

/** What is said of a lease that somebody has. */
interface Held {
  readonly on: string
  readonly epoch: number
  readonly holder: string
  readonly until_ms: number
}

export const LEASE_MS_MAX = 3_600_000

/** @throws WEFT_LEASE_INVALID */
export function checkLeaseLength(ttl_ms: number): number {
  if (Number.isSafeInteger(ttl_ms) && ttl_ms > 0 && ttl_ms <= LEASE_MS_MAX) return ttl_ms
  throw new WeftError(
    'WEFT_LEASE_INVALID',
    `a lease of ${ttl_ms} ms`,
    `ask for a whole number of milliseconds from 1 to ${LEASE_MS_MAX}; it is renewed while its holder lives`,
    { ttl_ms },
  )
}

export function lost(on: string, epoch: number, held: Held | undefined): WeftError {
  const current = held?.epoch ?? 0
  return new WeftError(
    'WEFT_LEASE_LOST',
    `the lease on ${on} under epoch ${epoch} is over: ${current} is in force${held ? `, granted to ${held.holder}` : ''}`,
    'somebody else has taken over: stop, or ask for the lease again and read what was written since',
    { on, epoch, current },
  )
}

export function ended(on: string): WeftError {
  return new WeftError(
    'WEFT_LEASE_ENDED',
    `what ${on} stands for is done: nobody can have a lease on it any more`,
    'read what has come of it instead',
    { on },
  )
}

export function heldBy({ on, epoch, holder, until_ms }: Held, now_ms: number): WeftError {
  const left_ms = until_ms - now_ms
  return new WeftError(
    'WEFT_LEASE_HELD',
    `${on} is held by ${holder} under epoch ${epoch}, for another ${left_ms} ms if it is not renewed`,
    'wait until it is given back or runs out, and ask for the lease; or write on a branch of your own',
    { on, epoch, holder, left_ms },
  )
}

export function notWritten(on: string): WeftError {
  return new WeftError(
    'WEFT_LEASE_INVALID',
    `the change asks for a lease on ${on}, which it does not write`,
    'ask for the branch that the change is on, or for an effect or a subscription that it writes',
    { on },
  )
}
