import { type Clock, isRevoked, type Revocations, type TenantId, WeftError } from '@weft/core'
import { whenExpired } from './token-expiry.js'
import type { TokenGrant } from './token.js'

interface Held {
  readonly grant: TokenGrant
  readonly end: (error: WeftError) => void
}

/**
 * The grants that are in use: connections, feeds and scratches. Each is held with how to end what it allows, when its token
 * expires or is revoked (TEN-5); and a tenant holds so many, so that none takes the room of the others.
 */
export class LiveGrants {
  readonly #held = new Map<TenantId, Set<Held>>()

  constructor(
    private readonly clock: Clock,
    private readonly per_tenant_max: number,
    private readonly revocationsOf: (tenant: TenantId) => Promise<Revocations>,
  ) {}

  /**
   * @param end called once, at most; the returned function lets go of the grant
   * @throws WEFT_LIMIT
   */
  hold(grant: TokenGrant, end: (error: WeftError) => void): () => void {
    const { tenant } = grant
    const ofTenant = this.#held.get(tenant) ?? new Set()
    if (ofTenant.size >= this.per_tenant_max) throw tooMany(ofTenant.size)
    this.#held.set(tenant, ofTenant)
    const release = (): void => {
      cancelExpiry()
      ofTenant.delete(held)
      if (ofTenant.size === 0 && this.#held.get(tenant) === ofTenant) this.#held.delete(tenant)
    }
    const ended = (error: WeftError): void => {
      release()
      end(error)
    }
    const held: Held = { grant, end: ended }
    ofTenant.add(held)
    let cancelExpiry = (): void => {}
    cancelExpiry = whenExpired(grant, this.clock, ended)
    void this.#checkAgain(held, ofTenant)
    return release
  }

  /** Whoever revoked it while it was being verified has ended nothing, for nobody held it. */
  async #checkAgain(held: Held, ofTenant: ReadonlySet<Held>): Promise<void> {
    try {
      const revocations = await this.revocationsOf(held.grant.tenant)
      if (ofTenant.has(held) && isRevoked(revocations, held.grant)) held.end(revoked())
    } catch (error) {
      // Nobody goes on by a token of which it is not known whether it is revoked.
      if (ofTenant.has(held)) held.end(error as WeftError)
    }
  }

  /** Ends what was granted by tokens of a tenant that are now revoked. */
  recheck(tenant: TenantId, revocations: Revocations): void {
    for (const { grant, end } of [...(this.#held.get(tenant) ?? [])]) {
      if (isRevoked(revocations, grant)) end(revoked())
    }
  }
}

/** @throws WEFT_TOKEN_REVOKED */
export function checkNotRevoked(grant: TokenGrant, revocations: Revocations): void {
  if (isRevoked(revocations, grant)) throw revoked()
}

function tooMany(count: number): WeftError {
  return new WeftError(
    'WEFT_LIMIT',
    `the tenant has ${count} connections, feeds and scratches open already`,
    'close some that are not in use, or connect again later',
  )
}

function revoked(): WeftError {
  return new WeftError(
    'WEFT_TOKEN_REVOKED',
    'the token was revoked by an admin of its tenant',
    'ask for a new one, and do not use this again',
  )
}
