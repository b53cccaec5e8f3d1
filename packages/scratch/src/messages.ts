import { createDecoder, type Decoder, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { encode, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import { messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate } from 'y-protocols/sync'
import { malformed } from './refusals.js'

const SYNC = 0
const PRESENCE = 1
const QUERY_PRESENCE = 3

/** What a y-websocket client says. Every byte string is a copy, on its own. */
export type ScratchMessage =
  /** What it knows, as a Yjs state vector: an answer is due with what it lacks. */
  | { readonly is: 'question'; readonly known: Uint8Array }
  /** What it has, as an answer or as it is written. */
  | { readonly is: 'update'; readonly update: Uint8Array }
  | { readonly is: 'presence'; readonly states: Uint8Array }
  | { readonly is: 'query-presence' }

/** @throws WEFT_FRAME_MALFORMED */
export function readMessage(frame: Uint8Array): ScratchMessage {
  const decoder = createDecoder(frame)
  try {
    const message = read(decoder)
    if (decoder.pos !== frame.length) throw new RangeError('bytes are missing or left over')
    return message
  } catch (error) {
    throw malformed((error as Error).message)
  }
}

function read(decoder: Decoder): ScratchMessage {
  const kind = readVarUint(decoder)
  switch (kind) {
    case SYNC:
      return readSync(decoder)
    case PRESENCE:
      return { is: 'presence', states: bytes(decoder) }
    case QUERY_PRESENCE:
      return { is: 'query-presence' }
    default:
      throw new RangeError(`there is no message ${kind}`)
  }
}

function readSync(decoder: Decoder): ScratchMessage {
  const step = readVarUint(decoder)
  if (step === messageYjsSyncStep1) return { is: 'question', known: bytes(decoder) }
  if (step === messageYjsSyncStep2 || step === messageYjsUpdate)
    return { is: 'update', update: bytes(decoder) }
  throw new RangeError(`there is no sync message ${step}`)
}

/** A copy: a frame shares its memory with those of others, and what is decoded must not reach into it. */
function bytes(decoder: Decoder): Uint8Array {
  return readVarUint8Array(decoder).slice()
}

export const writeQuestion = (known: Uint8Array): Uint8Array => writeSync(messageYjsSyncStep1, known)
export const writeAnswer = (update: Uint8Array): Uint8Array => writeSync(messageYjsSyncStep2, update)
export const writeUpdate = (update: Uint8Array): Uint8Array => writeSync(messageYjsUpdate, update)

export function writePresence(states: Uint8Array): Uint8Array {
  return encode(encoder => {
    writeVarUint(encoder, PRESENCE)
    writeVarUint8Array(encoder, states)
  })
}

function writeSync(step: number, content: Uint8Array): Uint8Array {
  return encode(encoder => {
    writeVarUint(encoder, SYNC)
    writeVarUint(encoder, step)
    writeVarUint8Array(encoder, content)
  })
}
