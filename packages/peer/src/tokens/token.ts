import { randomUUID } from 'node:crypto'
import { checkId, type ErrorCode, WeftError } from '@weft/core'
import type { Grant, Scope } from '@weft/protocol'
import { errors, importSPKI, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { DEFAULT_AUDIENCE } from '../base/defaults.js'

const SCOPES: readonly Scope[] = ['read', 'write', 'admin']
const SECRET_BYTES_MIN = 32

/** How tokens are verified: one shared secret (HS256), or a public key (EdDSA). Nothing a token says chooses. */
export type TokenKey =
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'public'; readonly pem: string }

/** A grant as a token carries it. `workflows` is a pattern in which `*` stands for any characters. */
export interface TokenGrant extends Grant {
  readonly workflows: string
  /** Seconds since 1970 UTC. */
  readonly expires: number
  readonly subject: string | undefined
  /** Of the token, to revoke it by; undefined when it has none. */
  readonly id: string | undefined
  /** Seconds since 1970 UTC; undefined when it does not say. */
  readonly issued: number | undefined
}

export type TokenVerifier = (token: string) => Promise<TokenGrant>

/**
 * A verifier of JWTs with the claims `tenant`, `scope` (words of read, write, admin), `workflows`, `exp` and `aud`.
 * It rejects with WEFT_TOKEN_MISSING, _EXPIRED, _AUDIENCE, _ALGORITHM, _CLAIMS or _INVALID.
 */
export async function tokenVerifier(key: TokenKey, audience = DEFAULT_AUDIENCE): Promise<TokenVerifier> {
  const algorithm = key.kind === 'secret' ? 'HS256' : 'EdDSA'
  const verificationKey =
    key.kind === 'secret' ? secretBytes(key.secret) : await importSPKI(key.pem, algorithm)
  return async token => {
    if (token === '')
      throw refused('WEFT_TOKEN_MISSING', 'there is no token', 'pass a token: `weft token` makes one')
    try {
      const options = { algorithms: [algorithm], audience, requiredClaims: ['exp'] }
      const { payload } = await jwtVerify(token, verificationKey, options)
      return readGrant(payload)
    } catch (thrown) {
      throw thrown instanceof WeftError ? thrown : translate(thrown, algorithm, audience)
    }
  }
}

function readGrant(payload: JWTPayload): TokenGrant {
  const { tenant, scope, workflows = '*', exp, iat, jti, sub } = payload
  const words = typeof scope === 'string' ? scope.split(' ').filter(word => word !== '') : []
  const scopes = SCOPES.filter(known => words.includes(known))
  if (scopes.length === 0 || scopes.length !== new Set(words).size) {
    throw badClaims(`scope ${JSON.stringify(scope ?? null)} is not made of ${SCOPES.join(', ')}`)
  }
  if (typeof workflows !== 'string' || !/^[A-Za-z0-9._~*-]{1,128}$/.test(workflows)) {
    throw badClaims('workflows is not a pattern')
  }
  try {
    const self = { subject: sub, id: jti, issued: iat }
    return { tenant: checkId('tenant', tenant), scopes, workflows, expires: exp!, ...self }
  } catch {
    throw badClaims(`tenant ${JSON.stringify(tenant ?? null)} is not an id`)
  }
}

/** Whether a workflow is within a token's pattern. Linear: patterns come from outside. */
export function matchesWorkflow(pattern: string, workflow: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (!workflow.startsWith(first)) return false
  if (rest.length === 0) return workflow === first
  const last = rest.pop()!
  let at = first.length
  for (const piece of rest) {
    const found = workflow.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return workflow.length - last.length >= at && workflow.endsWith(last)
}

export interface TokenRequest {
  readonly tenant: string
  readonly scopes: readonly Scope[]
  readonly workflows?: string
  /** Seconds from now. */
  readonly lifetime: number
  readonly audience?: string
  readonly subject?: string
}

/** A token signed with the shared secret (HS256). @throws WEFT_ID_INVALID · WEFT_TOKEN_CLAIMS */
export async function signToken(secret: string, request: TokenRequest, now = Date.now()): Promise<string> {
  const { tenant, scopes, workflows = '*', lifetime, audience = DEFAULT_AUDIENCE, subject } = request
  checkId('tenant', tenant)
  const issued = Math.floor(now / 1000)
  const jwt = new SignJWT({ tenant, scope: scopes.join(' '), workflows })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt(issued)
    .setJti(randomUUID())
    .setExpirationTime(issued + lifetime)
    .setAudience(audience)
  if (subject !== undefined) jwt.setSubject(subject)
  return jwt.sign(secretBytes(secret))
}

function secretBytes(secret: string): Uint8Array {
  const bytes = new TextEncoder().encode(secret)
  if (bytes.length >= SECRET_BYTES_MIN) return bytes
  throw new WeftError(
    'WEFT_USAGE',
    `the secret for tokens has ${bytes.length} bytes`,
    `use at least ${SECRET_BYTES_MIN} random bytes, for example of: openssl rand -hex 32`,
  )
}

function translate(thrown: unknown, algorithm: string, audience: string): WeftError {
  if (thrown instanceof errors.JWTExpired) {
    return refused('WEFT_TOKEN_EXPIRED', 'the token has expired', 'get a new token and connect again')
  }
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    if (thrown.claim === 'aud') {
      const cure = `get a token with the audience ${JSON.stringify(audience)}`
      return refused('WEFT_TOKEN_AUDIENCE', 'the token is for another audience', cure)
    }
    return badClaims(`claim ${thrown.claim}: ${thrown.reason}`)
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed) {
    return refused(
      'WEFT_TOKEN_ALGORITHM',
      'the token is signed by an algorithm that this peer does not take',
      `sign it with ${algorithm}`,
    )
  }
  return refused(
    'WEFT_TOKEN_INVALID',
    'the token is not a JWT signed with the key of this peer',
    'check that token and peer use the same key, and that the token is complete',
  )
}

function badClaims(reason: string): WeftError {
  return refused(
    'WEFT_TOKEN_CLAIMS',
    `the token does not say what it must: ${reason}`,
    'set tenant (an id), scope (words of read, write, admin), exp, and optionally workflows (a pattern)',
  )
}

function refused(code: ErrorCode, message: string, cure: string): WeftError {
  return new WeftError(code, message, cure)
}
