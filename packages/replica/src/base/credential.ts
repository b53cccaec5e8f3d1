import { reasonOf, WeftError } from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'

export type TokenSource = string | (() => string | Promise<string>)

const { token_chars_max: CHARS_MAX, label_chars_max } = WIRE_LIMITS

/** Returns what a replica can call itself. @throws WEFT_USAGE */
export function checkClient(name: unknown): string {
  if (typeof name === 'string' && name.length <= label_chars_max) return name
  throw new WeftError(
    'WEFT_USAGE',
    `the name of the client ${described(name)}`,
    `pass a text of at most ${label_chars_max} characters`,
  )
}

/** Returns where tokens can be had, or one that can be shown to a peer. @throws WEFT_TOKEN_INVALID */
export function checkTokenSource(source: TokenSource): TokenSource {
  return typeof source === 'function' ? source : checkToken(source)
}

/** Returns what can be shown to a peer as a token; whether it is a good one the peer says. @throws WEFT_TOKEN_INVALID */
export function checkToken(token: unknown): string {
  if (canBeSent(token)) return token
  throw new WeftError(
    'WEFT_TOKEN_INVALID',
    `the token ${described(token)}: no peer takes it`,
    `pass one of at most ${CHARS_MAX} characters; \`weft token\` makes one`,
  )
}

/** Returns what a peer can be asked about as a session token. @throws WEFT_SESSION_INVALID */
export function checkSession(token: unknown): string {
  if (canBeSent(token)) return token
  throw new WeftError(
    'WEFT_SESSION_INVALID',
    `the session token ${described(token)}: no peer has made it`,
    'pass a token as `token()` or a handoff gave it',
  )
}

/** Why a source gives no token. */
export function noToken(cause: unknown): WeftError {
  return new WeftError(
    'WEFT_TOKEN_MISSING',
    `the token source failed: ${reasonOf(cause)}`,
    'look for the cause where tokens are made; the replica goes on asking, and keeps what is written',
    {},
    { cause },
  )
}

function canBeSent(token: unknown): token is string {
  return typeof token === 'string' && token.length <= CHARS_MAX
}

function described(token: unknown): string {
  if (typeof token === 'string') return `has ${token.length} characters`
  return `is ${token === null ? 'null' : `of type ${typeof token}`}`
}
