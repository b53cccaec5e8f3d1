import { type ErrorCode, isWeftError, reasonOf, WeftError } from '@weft/core'
import type { Scope } from './peer-effects.js'
import { type MessageName, WIRE_LIMITS } from './messages.js'

/** What goes over the wire of something thrown: never the text of an error that is not ours. */
export function asWeftError(thrown: unknown): WeftError {
  if (isWeftError(thrown)) return thrown
  return new WeftError(
    'WEFT_INTERNAL',
    'the peer failed at this request',
    'try again; if it happens again, look for this time in the log of the peer',
    {},
    { cause: reasonOf(thrown) },
  )
}

interface Reported {
  readonly code: string
  readonly message: string
  readonly cure: string
  readonly details?: string | null
}

/** An error as the peer has told it. */
export function reported({ code, message, cure, details = null }: Reported): WeftError {
  return new WeftError(code as ErrorCode, message, cure, parseDetails(details))
}

function parseDetails(json: string | null): Record<string, unknown> {
  if (json === null) return {}
  try {
    const details: unknown = JSON.parse(json)
    return typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

export function unexpected(name: MessageName, why: string): WeftError {
  return new WeftError(
    'WEFT_FRAME_UNEXPECTED',
    `${name} is out of place: ${why}`,
    'follow the order of messages in PROTOCOL.md',
    { message: name },
  )
}

export function noScope(scope: Scope): WeftError {
  const denied = scope === 'admin' ? 'to publish what binds the whole tenant' : 'to write'
  return new WeftError(
    'WEFT_SCOPE',
    `the token does not allow ${denied}`,
    `use a token whose scopes include "${scope}"`,
    { needed: scope },
  )
}

export function tooManyChannels(): WeftError {
  return new WeftError(
    'WEFT_LIMIT',
    `there are ${WIRE_LIMITS.channels_max} channels on this connection already`,
    'close contexts that are not in use, or connect once more for the others',
  )
}

export function tooMuchUnanswered(bytes: number): WeftError {
  return new WeftError(
    'WEFT_FLOW_CONTROL',
    `${bytes} bytes of changes are unanswered; at most ${WIRE_LIMITS.push_bytes_max} may be`,
    'wait for acks before pushing more, as welcome.push_bytes_max says',
    { bytes },
  )
}
