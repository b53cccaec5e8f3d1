import { WeftError } from '@weft/core'

export function malformed(why: string): WeftError {
  return new WeftError(
    'WEFT_FRAME_MALFORMED',
    `the message is not one of y-websocket: ${why}`,
    'speak y-websocket with updates of Yjs in format 1; nothing of the message was taken in',
  )
}

/** @param limit a number and its unit */
export function full(what: string, limit: string): WeftError {
  return new WeftError(
    'WEFT_SCRATCH_FULL',
    `${what} has room for ${limit}`,
    'promote what should stay and end the step, or go on locally: a scratch is for drafts',
  )
}

export function tooMany(what: string, count_max: number): WeftError {
  return new WeftError('WEFT_LIMIT', `there are ${count_max} ${what} already`, 'try again later', {
    count_max,
  })
}

export function ended(why: string): WeftError {
  return new WeftError(
    'WEFT_SCRATCH_ENDED',
    `the scratch has ended: ${why}`,
    'what its step promoted is in the context; nothing else was kept',
  )
}

export function readOnly(): WeftError {
  return new WeftError(
    'WEFT_SCOPE',
    'the token allows to watch this scratch, not to write to it',
    'use a token whose scopes include "write"',
    { needed: 'write' },
  )
}

export function unknown(): WeftError {
  return new WeftError(
    'WEFT_SCRATCH_UNKNOWN',
    'no step of this tenant shares a scratch under this name',
    'take the name from the step that shares it, and watch while it runs',
  )
}

export function notTheOwner(): WeftError {
  return new WeftError(
    'WEFT_SCOPE',
    'this scratch is owned by who has its key and may write',
    'use a token whose scopes include "write", and the key that the id was made of; guests show none',
  )
}
