import { createHmac } from 'node:crypto'
import { WeftError } from '@weft/core'
import type { SessionMark, SessionSigner, TokenGrant, TokenVerifier } from '@weft/peer'
import type { Scope } from '@weft/protocol'

const LIFETIME_S = 86_400

/** A token of a simulated worker. It is not signed: what is simulated is not whether JWTs hold. */
export function tokenOf(tenant: string, scopes: readonly Scope[], now_ms: number): string {
  const grant = { tenant, scopes, workflows: '*', expires: Math.floor(now_ms / 1000) + LIFETIME_S }
  return JSON.stringify(grant)
}

/** Reads it at once, and so in every run at the same moment: real ones are verified on other threads. */
export const verifyToken: TokenVerifier = async token => ({
  ...(JSON.parse(token) as Omit<TokenGrant, 'subject'>),
  subject: undefined,
})

const KEY = 'the peers of one simulation'

export const sessionSigner: SessionSigner = {
  async sign(mark) {
    const payload = Buffer.from(JSON.stringify(mark)).toString('base64url')
    return `${payload}.${sealOf(payload)}`
  },
  async verify(token) {
    const [payload = '', seal] = token.split('.')
    if (seal === sealOf(payload)) return markIn(token)
    throw new WeftError(
      'WEFT_SESSION_INVALID',
      'the session token does not hold',
      'pass one that this peer made',
    )
  },
}

/** What a session token of a simulation stands for. */
export function markIn(token: string): SessionMark {
  return JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as SessionMark
}

function sealOf(payload: string): string {
  return createHmac('sha256', KEY).update(payload).digest('base64url')
}
