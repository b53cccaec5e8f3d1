import { once } from 'node:events'
import { encodeMessage, MESSAGES, type Message } from '@weft/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { canariesIn } from '../support/canaries.ts'
import {
  expectedOf,
  INTRUDERS,
  type Intruder,
  REFUSED,
  type Row,
  type Scene,
  victimScene,
} from '../support/intruders.ts'
import { until } from '../support/peer-until.ts'
import { RawClient } from '../support/scratch-clients.ts'
import { Author } from '../support/wire-author.ts'
import { WireClient } from '../support/wire-client.ts'

interface Verb {
  readonly row: Row
  /** What is sent behind the welcome. */
  send(scene: Scene): readonly Message[]
}

const change = new Author(7).append()
const none = new Uint8Array(0)
const open = (workflow = 'w'): Message => ({ name: 'open', channel: 1, workflow, after: 0, last: none })
const push: Message = { name: 'push', channel: 1, changes: [change.bytes] }
const FORBIDDEN = 'WEFT_WORKFLOW_FORBIDDEN'
/** Of a question about a context that could not be opened. */
const NOT_OPEN = 'WEFT_FRAME_UNEXPECTED'
const OVERLAYS = '@overlays'

/** All messages of a replica, and what comes of each for whom. */
const VERBS: Readonly<Record<string, Verb>> = {
  hello: { row: ['welcome rival', 'may', 'may', 'may', 'may'], send: () => [] },
  open: { row: ['opened 0', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'], send: () => [open()] },
  'open @overlays': { row: ['opened 0', 'may', 'may', 'WEFT_SCOPE', 'may'], send: () => [open(OVERLAYS)] },
  push: { row: ['log', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'], send: () => [open(), push] },
  'push @overlays': {
    row: ['WEFT_OVERLAY_INVALID', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
    send: () => [open(OVERLAYS), push],
  },
  propose: {
    row: ['log', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    send: () => {
      const { bytes } = change
      return [open(), { name: 'propose', channel: 1, change: bytes, branches: [], heads: [], unmoved: [] }]
    },
  },
  seen: {
    row: ['WEFT_FRAME_UNEXPECTED', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
    send: () => [open(), { name: 'seen', channel: 1, position: 1 }],
  },
  shut: {
    row: ['opened 0', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
    send: () => [open(), { name: 'shut', channel: 1 }],
  },
  attest: {
    row: ['WEFT_SESSION_INVALID', NOT_OPEN, 'may', NOT_OPEN, 'may'],
    send: () => [open(), { name: 'attest', request: 1, workflow: 'w', position: 1 }],
  },
  present: {
    row: ['WEFT_SESSION_FOREIGN', NOT_OPEN, 'may', NOT_OPEN, 'may'],
    send: ({ session }) => [open(), { name: 'present', request: 1, workflow: 'w', token: session }],
  },
  renew: {
    row: ['WEFT_LEASE_LOST', NOT_OPEN, 'WEFT_SCOPE', NOT_OPEN, 'may'],
    send: ({ lease: { on, epoch } }) => [open(), { name: 'renew', request: 1, workflow: 'w', on, epoch }],
  },
  confirm: {
    row: ['current 0', 'may', 'may', NOT_OPEN, 'may'],
    send: () => [open(OVERLAYS), { name: 'confirm', request: 1, position: 0, last: none }],
  },
  barrier: {
    row: ['WEFT_POSITION_UNKNOWN', 'may', 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
    send: () => [open(OVERLAYS), { name: 'barrier', request: 1, position: 1, timeout_ms: 1 }],
  },
}

/** What an answer comes to. */
function told(message: Message): string {
  if ('code' in message) return message.code
  if (message.name === 'welcome') return `welcome ${message.tenant}`
  if (message.name === 'opened') return `opened ${message.count}`
  if (message.name === 'current') return `current ${message.position}`
  return message.name
}

/** All that comes back until what is expected has, and whatever the peer had to say behind it. */
async function answersTo(
  { peer, tokens }: Scene,
  intruder: Intruder,
  sent: readonly Message[],
  expected: string,
): Promise<readonly Message[]> {
  const client = await WireClient.connect(peer.url)
  onTestFinished(() => client.socket.terminate())
  const { inbox, socket } = client
  client.hello(tokens[intruder])
  if (!(intruder in REFUSED)) await until(() => inbox.length > 0, 'the welcome')
  for (const message of sent) {
    client.send(message)
    if (message.name === 'open' && !(intruder in REFUSED))
      await until(() => inbox.length > 1, 'whether it is open')
  }
  await until(() => inbox.some(each => told(each) === expected), `${intruder} is told ${expected}`)
  if (socket.readyState === socket.OPEN && !(intruder in REFUSED)) {
    socket.ping()
    await Promise.race([once(socket, 'pong'), client.closed])
  }
  return inbox
}

test('[TEN-1] every message of a replica has its row', () => {
  const sent = Object.entries(MESSAGES).filter(([, { type }]) => type < PEER_TYPES_BEGIN)
  const rows = new Set(Object.keys(VERBS).map(name => name.split(' ')[0]))
  expect([...rows].sort()).toEqual(sent.map(([name]) => name).sort())
})

const PEER_TYPES_BEGIN = 16

test.each(Object.keys(VERBS))('[TEN-1] [TEN-5] %s, by who has no business with it', async name => {
  const { row, send } = VERBS[name]!
  const scene = await victimScene()
  const before = await scene.look()
  for (const intruder of INTRUDERS) {
    const refusal = intruder in REFUSED && name !== 'hello' ? NOT_OPEN : undefined
    const expected = refusal ?? expectedOf(row, intruder)
    if (expected === undefined) continue
    const answers = await answersTo(scene, intruder, send(scene), expected)
    if (!mayRead(intruder, name)) {
      for (const each of answers)
        expect(canariesIn(encodeMessage(each)), `${intruder} ${each.name}`).toEqual([])
    }
    expect(await scene.look(), intruder).toEqual(before)
  }
})

/** What is the tenant's own to read. */
function mayRead(intruder: Intruder, verb: string): boolean {
  return READERS.includes(intruder) || (intruder === 'narrow' && verb.endsWith(OVERLAYS))
}

const READERS: readonly Intruder[] = ['readOnly', 'noAdmin']
const GUESSED = 'weft-owner.a key that was guessed'.replaceAll(' ', '-')

test.each<[string, readonly string[], Row]>([
  ['watched', [], ['WEFT_SCRATCH_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may']],
  ['taken over', [GUESSED], ['WEFT_SCOPE', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE']],
])('[TEN-1] [TEN-5] a shared scratch is not %s by who has no business with it', async (_, shown, row) => {
  const scene = await victimScene()
  const before = await scene.look()
  for (const intruder of INTRUDERS) {
    const expected = expectedOf(row, intruder)
    if (expected === undefined) continue
    const credentials = ['weft-scratch', `weft-token.${scene.tokens[intruder]}`, ...shown]
    const client = await RawClient.connect(scene.scratch.place.url, credentials)
    expect([intruder, (await client.closed).reason]).toEqual([intruder, expected])
    for (const frame of client.frames) expect(canariesIn(frame)).toEqual([])
    expect(await scene.look(), intruder).toEqual(before)
  }
})
