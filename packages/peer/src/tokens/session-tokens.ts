import { createHmac } from 'node:crypto'
import { type ChangeId, isChangeId, type Position, WeftError } from '@weft/core'
import { errors, jwtVerify, SignJWT } from 'jose'

const AUDIENCE = 'weft-session'
const ALGORITHM = 'HS256'
const LIFETIME_S = 86_400

/** What a session has written and seen: the log of a context up to a position, and the change that stands there. */
export interface SessionMark {
  readonly tenant: string
  readonly workflow: string
  readonly position: Position
  /** Empty at position 0. */
  readonly last: ChangeId | ''
}

/** Who makes session tokens, and tells its own from others. */
export interface SessionSigner {
  /** @throws WEFT_SESSION_UNAVAILABLE */
  sign(mark: SessionMark, now_ms: number): Promise<string>
  /** @throws WEFT_SESSION_INVALID · WEFT_SESSION_EXPIRED · WEFT_SESSION_UNAVAILABLE */
  verify(token: string): Promise<SessionMark>
}

/** Signs and verifies session tokens (SES-3). They grant nothing: a peer asks for a credential beside them. */
export class SessionTokens implements SessionSigner {
  readonly #key: Uint8Array | undefined

  /** @param secret what all peers of a tenant share; without one no token can be made or read */
  constructor(secret: string | undefined) {
    // Not the key of credentials itself: neither kind of token may ever pass for the other.
    this.#key = secret === undefined ? undefined : createHmac('sha256', secret).update(AUDIENCE).digest()
  }

  /** @throws WEFT_SESSION_UNAVAILABLE */
  sign({ tenant, workflow, position, last }: SessionMark, now_ms: number): Promise<string> {
    const issued = Math.floor(now_ms / 1000)
    return new SignJWT({ tenant, workflow, position, last })
      .setProtectedHeader({ alg: ALGORITHM })
      .setAudience(AUDIENCE)
      .setIssuedAt(issued)
      .setExpirationTime(issued + LIFETIME_S)
      .sign(this.#sharedKey())
  }

  /** @throws WEFT_SESSION_INVALID · WEFT_SESSION_EXPIRED · WEFT_SESSION_UNAVAILABLE */
  async verify(token: string): Promise<SessionMark> {
    const key = this.#sharedKey()
    try {
      const options = { algorithms: [ALGORITHM], audience: AUDIENCE, requiredClaims: ['exp'] }
      return readMark((await jwtVerify(token, key, options)).payload)
    } catch (thrown) {
      if (thrown instanceof errors.JWTExpired) throw expired()
      throw invalid('it was not signed by this peer, or was altered')
    }
  }

  #sharedKey(): Uint8Array {
    if (this.#key) return this.#key
    throw new WeftError(
      'WEFT_SESSION_UNAVAILABLE',
      'this peer has no secret to sign session tokens with',
      'start it with a session secret: a public key verifies credentials and signs nothing',
    )
  }
}

function readMark({ tenant, workflow, position, last }: Record<string, unknown>): SessionMark {
  const known =
    typeof tenant === 'string' &&
    typeof workflow === 'string' &&
    Number.isSafeInteger(position) &&
    (last === '' || isChangeId(last))
  if (!known) throw new TypeError('the claims are not those of a session')
  return { tenant, workflow, position: position as Position, last }
}

/** @throws WEFT_SESSION_FOREIGN */
export function checkMark(mark: SessionMark, tenant: string, workflow: string): void {
  if (mark.tenant === tenant && mark.workflow === workflow) return
  throw new WeftError(
    'WEFT_SESSION_FOREIGN',
    'the session token is of another context',
    'pass the token that was made for this workflow, by the same tenant',
  )
}

export function invalid(reason: string): WeftError {
  return new WeftError(
    'WEFT_SESSION_INVALID',
    `the session token does not hold: ${reason}`,
    'pass a token as `token()` or a handoff gave it, to a peer with the same secret and data',
  )
}

function expired(): WeftError {
  return new WeftError(
    'WEFT_SESSION_EXPIRED',
    'the session token has expired',
    'open the context without it: what it stood for is older than a day',
  )
}
