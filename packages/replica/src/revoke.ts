import { type AgentId, NOTHING_REVOKED, REVOCATIONS_OVERLAY, type Revocations, WeftError } from '@weft/core'
import { nodeHost } from './base/node-host.js'
import type { WaitOptions } from './base/waiting.js'
import { isRefusedFor } from './writing/proposer.js'
import type { Published } from './handles/overlay-publish.js'
import type { Replica } from './replica.js'

/** Which tokens of the tenant: one, those of a subject that were issued by now, or all that were. */
export type Revoked =
  /** `expires` in seconds since 1970 UTC. */
  { readonly token: string; readonly expires: number } | { readonly subject: string } | { readonly all: true }

export interface RevokeOptions extends WaitOptions {
  readonly reason?: string
  /** Who revokes. Default `publisher`. */
  readonly agent?: AgentId
}

const ATTEMPTS_MAX = 16
const MS_PER_S = 1_000

/**
 * Revokes tokens of the tenant (TEN-5): connections that were made with them end at once, and no new one is. Takes a
 * token with the scope admin for all workflows; `all` revokes that one, too.
 * @returns the version of the tenant's revocations that says so
 * @throws WEFT_USAGE, and as `Overlays.publish`
 */
export async function revokeTokens(
  { overlays }: Replica,
  revoked: Revoked,
  options: RevokeOptions = {},
): Promise<Published> {
  for (let attempt = 1; ; attempt++) {
    const current = await overlays.get(REVOCATIONS_OVERLAY, options)
    const { version: after = 0, value = NOTHING_REVOKED } = current ?? {}
    const next = revoking(value, revoked, Math.floor(nodeHost.now() / MS_PER_S))
    try {
      return await overlays.publish(REVOCATIONS_OVERLAY, next, { ...options, after })
    } catch (error) {
      // Another admin was first, and what that one has revoked must stay so.
      if (!isRefusedFor(error, 'WEFT_OVERLAY_VERSION') || attempt >= ATTEMPTS_MAX) throw error
    }
  }
}

/** @param now seconds since 1970 UTC */
function revoking(before: Revocations, revoked: Revoked, now: number): Revocations {
  const alive = Object.entries(before.tokens).filter(([, expires]) => expires > now)
  const tokens = Object.fromEntries(alive)
  if ('all' in revoked) return { tokens: {}, subjects: {}, all: now }
  if ('subject' in revoked)
    return { ...before, tokens, subjects: { ...before.subjects, [revoked.subject]: now } }
  const { token, expires } = revoked
  if (token === '' || !Number.isSafeInteger(expires)) throw noToken()
  return { ...before, tokens: { ...tokens, [token]: expires } }
}

function noToken(): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    'a token is revoked by its id (the claim jti) and its expiry (exp)',
    'pass both, or revoke by subject, or all',
  )
}
