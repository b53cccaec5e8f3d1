import { isWeftError } from '@weft/core'
import {
  adviceOf,
  CLOSE_CODES,
  closeCodeOf,
  decodeMessage,
  describeShapes,
  encodeMessage,
  MESSAGES,
  type Message,
  type MessageName,
  messageNameOf,
  negotiateVersion,
  PROTOCOL_VERSIONS,
  WIRE_LIMITS,
} from '@weft/protocol'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf, refusal } from '../support/core-forge.ts'
import { hexSha256, holds, pick, seededDice } from '../support/core-property.ts'

const utf8 = new TextEncoder()
const frameOf = (value: unknown): Uint8Array => encode(value)
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

test('a wire change cannot land by accident: raise PROTOCOL_VERSIONS and this hash', () => {
  const pinned = { versions: PROTOCOL_VERSIONS, shapes: hexSha256(utf8.encode(describeShapes(MESSAGES))) }
  expect(pinned).toEqual({
    versions: [1],
    shapes: '2a423cddaa2d8ea8915a406fb7fd1322a0fc4824150135abdd692923d06517d3',
  })
})

const uint = fc.maxSafeNat()
const bytes = (length: number) => fc.uint8Array({ maxLength: length })
const hashes = (count_max: number) =>
  fc
    .array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: count_max })
    .map(list => Uint8Array.from(list.flatMap(each => [...each])))
const text = (chars: number) => fc.string({ unit: 'grapheme', maxLength: chars / 8 })
const list = <T>(item: fc.Arbitrary<T>, length: number) => fc.array(item, { maxLength: length })

const messages: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    name: fc.constant('hello'),
    versions: list(uint, 16),
    token: text(200),
    client: text(256),
  }),
  fc.record({ name: fc.constant('open'), channel: uint, workflow: text(128), after: uint, last: hashes(1) }),
  fc.record({ name: fc.constant('push'), channel: uint, changes: list(bytes(400), 20) }),
  fc.record({ name: fc.constant('seen'), channel: uint, position: uint }),
  fc.record({ name: fc.constant('attest'), request: uint, workflow: text(128), position: uint }),
  fc.record({ name: fc.constant('present'), request: uint, workflow: text(128), token: text(8_192) }),
  fc.record({ name: fc.constant('attested'), request: uint, position: uint, token: text(8_192) }),
  fc.record({
    name: fc.constant('denied'),
    request: uint,
    code: text(256),
    message: text(1_024),
    cure: text(1_024),
  }),
  fc.record({
    name: fc.constant('propose'),
    channel: uint,
    change: bytes(400),
    branches: list(text(128), 5),
    heads: list(hashes(5), 5),
    unmoved: list(text(1_024), 5),
  }),
  fc.record({
    name: fc.constant('renew'),
    request: uint,
    workflow: text(128),
    on: text(1_024),
    epoch: uint,
  }),
  fc.record({ name: fc.constant('renewed'), request: uint, ttl_ms: uint }),
  fc.record({ name: fc.constant('confirm'), request: uint, position: uint, last: hashes(1) }),
  fc.record({ name: fc.constant('barrier'), request: uint, position: uint, timeout_ms: uint }),
  fc.record({ name: fc.constant('current'), request: uint, position: uint, ttl_ms: uint }),
  fc.record({ name: fc.constant('barred'), request: uint, holders: list(text(256), 5), left_ms: uint }),
  fc.record({ name: fc.constant('shut'), channel: uint }),
  fc.record({
    name: fc.constant('welcome'),
    version: uint,
    tenant: text(128),
    scopes: list(text(16), 8),
    push_bytes_max: uint,
    frame_bytes_max: uint,
  }),
  fc.record({
    name: fc.constant('opened'),
    channel: uint,
    count: uint,
    heads: hashes(5),
    known: fc.boolean(),
  }),
  fc.record({ name: fc.constant('log'), channel: uint, from: uint, items: list(bytes(400), 20) }),
  fc.record({ name: fc.constant('ack'), channel: uint, ids: hashes(5), positions: list(uint, 5) }),
  fc.record({
    name: fc.constant('refuse'),
    channel: uint,
    id: hashes(1),
    code: text(256),
    message: text(1_024),
    cure: text(1_024),
    details: fc.option(text(1_024)),
  }),
  fc.record({
    name: fc.constant('fail'),
    channel: fc.option(uint),
    code: text(256),
    message: text(1_024),
    cure: text(1_024),
  }),
) as fc.Arbitrary<Message>

const encoded = (message: Message): Uint8Array => Uint8Array.from(encodeMessage(message))

const SAMPLES = fc.sample(messages, { numRuns: 200, seed: 7 }).map(encoded)
const SEEN = encoded({ name: 'seen', channel: 1, position: 2 })

/** Decodes; anything that is not refused with a code of the wire is a crash. */
function outcome(frame: Uint8Array): string {
  try {
    return decodeMessage(frame).name
  } catch (thrown) {
    if (isWeftError(thrown) && thrown.code.startsWith('WEFT_FRAME_')) return thrown.code
    throw thrown
  }
}

describe('the codec', () => {
  test('what is encoded reads back as it was, whatever the message', () => {
    holds(messages, message => expect(decodeMessage(encoded(message))).toEqual(message), 2_000)
  })

  test('what is decoded keeps nothing else alive of what came with it', () => {
    const frame = Buffer.concat([
      encodeMessage({ name: 'push', channel: 1, changes: [new Uint8Array(100)] }),
      Buffer.alloc(50_000),
    ]).subarray(0, -50_000)
    const message = decodeMessage(frame)
    expect(message.name === 'push' && message.changes[0]!.buffer.byteLength).toBe(100)
  })

  test('what a frame says it is can be told without reading it', () => {
    for (const frame of SAMPLES) expect(messageNameOf(frame)).toBe(decodeMessage(frame).name)
    for (const [name, { type }] of Object.entries(MESSAGES)) expect(messageNameOf(frameOf([type]))).toBe(name)
    for (const frame of [[], [99], ['push'], 7, {}].map(frameOf)) expect(messageNameOf(frame)).toBeUndefined()
    expect(messageNameOf(new Uint8Array(0))).toBeUndefined()
  })

  test('one message has one encoding', () => {
    for (const frame of SAMPLES) expect(encoded(decodeMessage(frame))).toEqual(frame)
  })

  test('[CHG-5] thousands of damaged frames are read or refused with a code, and nothing else happens', () => {
    const dice = seededDice(11)
    const seen = new Map<string, number>()
    for (let run = 0; run < 6_000; run++) {
      const frame = damaged(pick(SAMPLES, dice(1 << 20)), dice)
      const what = outcome(frame)
      seen.set(what, (seen.get(what) ?? 0) + 1)
    }
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['WEFT_FRAME_MALFORMED', 'WEFT_FRAME_UNKNOWN']))
  })

  test('a frame that is cut anywhere is refused', () => {
    for (const frame of SAMPLES.slice(0, 40)) {
      for (let length = 0; length < frame.length; length++) {
        expect(codeOf(() => decodeMessage(frame.subarray(0, length)))).toBe('WEFT_FRAME_MALFORMED')
      }
    }
  })

  test.each<[string, Uint8Array]>([
    ['nothing at all', hex('')],
    ['something behind the message', Uint8Array.from([...SEEN, 0])],
    ['a field too many', frameOf([4, 1, 2, 3])],
    ['a field too few', frameOf([4, 1])],
    ['a map', frameOf({ type: 4 })],
    ['a number that takes more bytes than it needs', hex('8304180102')],
    ['an array of indefinite length', hex('9f040102ff')],
    ['a byte string of indefinite length', hex('830301815f41004100ff')],
    ['a text of indefinite length', hex('8401817f6161ff6161')],
    ['a whole number as a float', hex('8304f93c0002')],
    ['the type as a float', hex('83f944000102')],
    ['minus zero', hex('8304f9800002')],
    ['a negative number', frameOf([4, -1, 2])],
    ['a number beyond what is exact', hex('83041bffffffffffffffff02')],
    ['a tag', hex('8304c10102')],
    ['undefined', hex('830401f7')],
    ['a key twice in a map', hex('8304a261610161610102')],
    ['hashes of 31 bytes', frameOf([2, 1, 'w', 0, new Uint8Array(31)])],
    ['two hashes where one may be', frameOf([2, 1, 'w', 0, new Uint8Array(64)])],
    ['a text that is too long', frameOf([2, 1, 'w'.repeat(129), 0, new Uint8Array(0)])],
    ['a list that is too long', frameOf([1, Array(17).fill(1), 't', 'c'])],
    ['a list of something else', frameOf([3, 1, ['a']])],
    ['arrays within arrays without end', new Uint8Array(500_000).fill(0x81)],
    ['an array that promises more than there is', hex('9affffffff')],
  ])('refused as malformed: %s', (_, frame) => {
    const error = refusal(() => decodeMessage(frame))
    expect(error.code).toBe('WEFT_FRAME_MALFORMED')
    expect(error.cure).not.toBe('')
  })

  test.each([
    0,
    12,
    15,
    27,
    255,
    'push',
    null,
    [],
    { toString: 1 },
  ])('a message of type %j is unknown', type => {
    expect(codeOf(() => decodeMessage(frameOf([type, 1, 2])))).toBe('WEFT_FRAME_UNKNOWN')
  })

  test('a frame above the limit is refused unread', () => {
    const frame = new Uint8Array(WIRE_LIMITS.frame_bytes_max + 1)
    expect(refusal(() => decodeMessage(frame)).details).toEqual({ bytes: frame.length })
    expect(codeOf(() => decodeMessage(frame))).toBe('WEFT_FRAME_TOO_LARGE')
  })

  test('types below 16 are the replica’s, each type is one message', () => {
    const types = (Object.keys(MESSAGES) as MessageName[]).map(name => MESSAGES[name].type)
    expect(new Set(types).size).toBe(types.length)
    expect(types.filter(type => type < 16)).toHaveLength(11)
  })
})

function damaged(frame: Uint8Array, dice: (below: number) => number): Uint8Array {
  const copy = [...frame]
  for (let edits = 1 + dice(3); edits > 0; edits--) {
    const at = dice(copy.length + 1)
    const kind = dice(4)
    if (kind === 0) copy.splice(at, 1)
    if (kind === 1) copy.splice(at, 0, dice(256))
    if (kind === 2) copy[at] = dice(256)
    if (kind === 3) copy.splice(at, dice(8))
  }
  return Uint8Array.from(copy, byte => byte ?? 0)
}

describe('versions', () => {
  test('the best version that both sides speak is chosen, in the order of the peer', () => {
    expect(negotiateVersion([1, 2, 3], [3, 2])).toBe(3)
    expect(negotiateVersion([2, 9], [3, 2, 1])).toBe(2)
    expect(negotiateVersion(PROTOCOL_VERSIONS)).toBe(PROTOCOL_VERSIONS[0])
  })

  test.each([[[]], [[0]], [[2, 3]]])('without one in common it is refused: %j', offered => {
    const error = refusal(() => negotiateVersion(offered, [1]))
    expect(error).toMatchObject({ code: 'WEFT_VERSION', details: { offered, spoken: [1] } })
  })
})

describe('close codes', () => {
  test.each([
    ['WEFT_TOKEN_EXPIRED', 4401, 'new-token'],
    ['WEFT_TOKEN_INVALID', 4401, 'new-token'],
    ['WEFT_SCOPE', 4403, 'give-up'],
    ['WEFT_WORKFLOW_FORBIDDEN', 4403, 'give-up'],
    ['WEFT_AUTH_DEADLINE', 4408, 'retry'],
    ['WEFT_DRAINING', 1012, 'retry'],
    ['WEFT_STORE_FAILED', 1013, 'retry'],
    ['WEFT_STORE_CORRUPT', 1013, 'retry'],
    ['WEFT_INTERNAL', 1013, 'retry'],
    ['WEFT_LIMIT', 1013, 'retry'],
    ['WEFT_FRAME_MALFORMED', 4400, 'give-up'],
    ['WEFT_FRAME_UNEXPECTED', 4400, 'give-up'],
    ['WEFT_FLOW_CONTROL', 4400, 'give-up'],
    ['WEFT_VERSION', 4400, 'give-up'],
  ] as const)('%s closes with %i: %s', (code, closeCode, advice) => {
    expect(closeCodeOf(code)).toBe(closeCode)
    expect(adviceOf(closeCode)).toBe(advice)
  })

  test('whatever else ends a socket is tried again', () => {
    for (const code of [CLOSE_CODES.normal, 1001, 1005, 1006, 1009, 1011])
      expect(adviceOf(code)).toBe('retry')
  })
})
