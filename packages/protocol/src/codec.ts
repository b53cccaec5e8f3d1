import { reasonOf, WeftError } from '@weft/core'
import { encode, Tokenizer, tokensToObject } from 'cborg'
import type { Field } from './fields.js'
import { MESSAGES, type Message, type MessageName, WIRE_LIMITS } from './messages.js'

interface Layout {
  readonly name: MessageName
  readonly fields: readonly (readonly [string, Field<unknown>])[]
}

const LAYOUTS = new Map<number, Layout>(
  (Object.keys(MESSAGES) as MessageName[]).map(name => [
    MESSAGES[name].type,
    { name, fields: Object.entries(MESSAGES[name].fields) as [string, Field<unknown>][] },
  ]),
)

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  rejectDuplicateMapKeys: true,
} as const

export function encodeMessage(message: Message): Uint8Array {
  const values = message as unknown as Readonly<Record<string, unknown>>
  const { type, fields } = MESSAGES[message.name]
  return encode([type, ...Object.keys(fields).map(field => values[field])])
}

/**
 * Checks that the other side can read a message: one that it cannot costs the connection, and all that wait on it their
 * answers.
 * @throws WEFT_INTERNAL when a field is not what the wire takes · WEFT_USAGE when no frame holds it
 */
export function checkFits(message: Message): void {
  const values = message as unknown as Readonly<Record<string, unknown>>
  const { name } = message
  for (const [field, { check }] of LAYOUTS.get(MESSAGES[name].type)!.fields)
    if (!check(values[field])) throw unfit(name, field)
  const { length } = encodeMessage(message)
  if (length > WIRE_LIMITS.frame_bytes_max) throw tooMuch(name, length)
}

/** What a frame says that it is, without a look at what it holds: it need be no message of that name. */
export function messageNameOf(frame: Uint8Array): MessageName | undefined {
  const type = frame[1] === BYTE_FOLLOWS ? frame[2] : frame[1]
  return type === undefined ? undefined : LAYOUTS.get(type)?.name
}

/** In CBOR: the number is in the byte after this one. */
const BYTE_FOLLOWS = 0x18

/** No field is a float; a decoder would hand a whole one out as an integer in another spelling. */
class WithoutFloats extends Tokenizer {
  override next(): ReturnType<Tokenizer['next']> {
    const head = this.data[this._pos]!
    if (head >= FLOAT_FIRST && head <= FLOAT_LAST) throw new TypeError('there is a float in it')
    return super.next()
  }
}

const FLOAT_FIRST = 0xf9
const FLOAT_LAST = 0xfb

/** @throws WEFT_FRAME_TOO_LARGE · WEFT_FRAME_MALFORMED · WEFT_FRAME_UNKNOWN */
export function decodeMessage(frame: Uint8Array): Message {
  if (frame.length > WIRE_LIMITS.frame_bytes_max) {
    throw new WeftError(
      'WEFT_FRAME_TOO_LARGE',
      `a frame of ${frame.length} bytes; at most ${WIRE_LIMITS.frame_bytes_max} are allowed`,
      'send fewer changes in one frame',
      { bytes: frame.length },
    )
  }
  const items = decodeArray(frame)
  const [type] = items
  const layout = typeof type === 'number' ? LAYOUTS.get(type) : undefined
  if (layout === undefined) {
    throw new WeftError(
      'WEFT_FRAME_UNKNOWN',
      `there is no message of type ${typeof type === 'number' ? type : 'other than a number'}`,
      'speak a version of the protocol that both sides have agreed on in hello and welcome',
      typeof type === 'number' ? { type } : {},
    )
  }
  const { name, fields } = layout
  if (items.length !== 1 + fields.length) {
    throw malformed(`${name} has ${items.length - 1} fields where ${fields.length} are due`)
  }
  const message: Record<string, unknown> = { name }
  for (let index = 0; index < fields.length; index++) {
    const [field, { check }] = fields[index]!
    const value = items[1 + index]
    if (!check(value)) throw malformed(`field ${field} of ${name} is not what it should be`)
    message[field] = value
  }
  return message as unknown as Message
}

function decodeArray(frame: Uint8Array): unknown[] {
  // What a socket hands out may be a subclass whose slices are views: a change would keep all that came with it.
  const tokens = new WithoutFloats(new Uint8Array(frame.buffer, frame.byteOffset, frame.length), STRICT)
  let value: unknown
  try {
    value = tokensToObject(tokens, STRICT)
  } catch (thrown) {
    throw malformed(reasonOf(thrown), thrown)
  }
  if (!tokens.done()) throw malformed('something follows the message')
  if (!Array.isArray(value)) throw malformed('it is not an array')
  return value
}

function malformed(reason: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_FRAME_MALFORMED',
    `the frame cannot be read: ${reason}`,
    'send deterministic CBOR as PROTOCOL.md lays it out; nothing of this frame was taken',
    {},
    { cause },
  )
}

function unfit(name: MessageName, field: string): WeftError {
  return new WeftError(
    'WEFT_INTERNAL',
    `no peer can read the field ${field} of this ${name}: it was not sent`,
    'it is a defect of Weft that this was not refused before: report it, with the call that it comes of',
    { message: name, field },
  )
}

function tooMuch(name: MessageName, bytes: number): WeftError {
  const { frame_bytes_max } = WIRE_LIMITS
  return new WeftError(
    'WEFT_USAGE',
    `a ${name} of ${bytes} bytes, with all that it expects; a frame holds ${frame_bytes_max}`,
    'write less at once, or expect something of fewer branches and refs; nothing was sent',
    { bytes, frame_bytes_max },
  )
}
