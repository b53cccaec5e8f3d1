import { isWeftError, reasonOf, WeftError } from '@weft/core'
import type { MessageName } from './messages.js'

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

export function unexpected(name: MessageName, why: string): WeftError {
  return new WeftError(
    'WEFT_FRAME_UNEXPECTED',
    `${name} is out of place: ${why}`,
    'follow the order of messages in PROTOCOL.md',
    { message: name },
  )
}
