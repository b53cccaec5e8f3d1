import type { PeerLimits } from '@weft/peer'
import type { Dice } from './dice.js'

/** Most of a second's writes of a busy tenant do not fit into the least, and all that is left over drains in seconds. */
const PER_SECOND = { least: 15, most: 70 }
/** Less than a peer waits that is run: a connection that ends for the rate is played too. */
const RATE_WAIT_MS = 600

/**
 * After so long all that is offered on condition is decided: what nobody waits for in particular, as a lease that is given back,
 * is offered again and again until what was pushed before it has been paid for.
 */
export const RATE_REST_MS = 3_000

/** What the peer of a world is told of how fast its tenants may write. @param dice that nothing else rolls */
export function rateLimits(tenants: readonly string[], dice: Dice): Partial<PeerLimits> {
  const quotas = tenants.map((tenant): [string, { changes_per_second_max: number }] => [
    tenant,
    { changes_per_second_max: Math.round(dice.between(PER_SECOND.least, PER_SECOND.most)) },
  ])
  return { quotas: Object.fromEntries(quotas), rate_wait_ms_max: RATE_WAIT_MS }
}
