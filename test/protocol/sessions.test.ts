import { type ChangeId, toHex, unpackIds } from '@weft/core'
import {
  CHANGE_COST,
  decodeMessage,
  encodeMessage,
  type Message,
  PeerSession,
  type ReplicaEffect,
  ReplicaSession,
  type Scope,
  WIRE_LIMITS,
} from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { codeOf, forged, forgedEntries, framed, frameOf, packed } from '../support/core-forge.ts'
import { sha256 } from '../support/core-property.ts'
import { Author } from '../support/wire-author.ts'
import { EXAMPLES, OF_PEER, OF_REPLICA } from '../support/wire-examples.ts'
import { ModelLog, PeerEnd, ReplicaEnd, STRANGER, Wire } from '../support/wire-model.ts'

const HELLO: Message = { name: 'hello', versions: [1], token: 't', client: 'c' }
const OPEN: Message = { name: 'open', channel: 1, workflow: 'w', after: 0, last: new Uint8Array(0) }

/** A peer's end that has taken these messages. */
function peerAfter(messages: readonly Message[], scopes?: readonly Scope[], log = new ModelLog()): PeerEnd {
  const peer = new PeerEnd(log, scopes)
  for (const message of messages) peer.receive(encodeMessage(message))
  return peer
}

function sentBy(peer: PeerEnd): Message[] {
  return peer.sent.map(decodeMessage)
}

function push(...changes: readonly { readonly bytes: Uint8Array }[]): Message {
  return { name: 'push', channel: 1, changes: changes.map(change => change.bytes) }
}

describe('the peer ends the connection, saying why, at a message that is out of place', () => {
  test.each<[string, readonly Message[]]>([
    ['open before hello', [OPEN]],
    ['push before hello', [push()]],
    ['a second hello', [HELLO, HELLO]],
    ['push on a channel that is not open', [HELLO, push()]],
    ['push on a channel that was shut', [HELLO, OPEN, EXAMPLES.shut, push()]],
    ['seen on a channel that is not open', [HELLO, EXAMPLES.seen]],
    ['propose on a channel that is not open', [HELLO, EXAMPLES.propose]],
    ['conditions that lack their heads', [HELLO, OPEN, { ...EXAMPLES.propose, branches: ['main'] }]],
    ['a channel opened twice', [HELLO, OPEN, OPEN]],
    ['seen beyond what was sent', [HELLO, OPEN, { name: 'seen', channel: 1, position: 1 }]],
    ...OF_PEER.map((name): [string, Message[]] => [
      `${name}, which only a peer sends`,
      [HELLO, EXAMPLES[name]],
    ]),
  ])('%s', (_, messages) => {
    const peer = peerAfter(messages)
    expect(sentBy(peer).at(-1)).toMatchObject({ name: 'fail', channel: null, code: 'WEFT_FRAME_UNEXPECTED' })
    expect(peer.closed).toBe(4400)
    expect(peer.session.phase).toBe('closed')
    const before = peer.sent.length
    peer.receive(encodeMessage(HELLO))
    expect(peer.sent).toHaveLength(before)
  })

  test('anything before the token was verified', () => {
    const session = new PeerSession(sha256)
    session.receive(encodeMessage(HELLO))
    const effects = session.receive(encodeMessage(OPEN))
    expect(effects.at(-1)).toEqual({ do: 'close', code: 4400, reason: 'WEFT_FRAME_UNEXPECTED' })
  })

  test('a version that it does not speak', () => {
    const peer = peerAfter([{ ...EXAMPLES.hello, versions: [7] }])
    expect(sentBy(peer)).toMatchObject([{ name: 'fail', code: 'WEFT_VERSION' }])
    expect(peer.closed).toBe(4400)
  })
})

describe('the replica takes no message that is out of place', () => {
  const refused = (messages: readonly Message[]): string => {
    const session = new ReplicaSession('test')
    session.open('w')
    session.connected('t')
    for (const message of messages.slice(0, -1)) session.receive(encodeMessage(message))
    return codeOf(() => session.receive(encodeMessage(messages.at(-1)!)))
  }

  test.each<[string, readonly Message[]]>([
    ...OF_REPLICA.map((name): [string, Message[]] => [
      `${name}, which only a replica sends`,
      [EXAMPLES.welcome, EXAMPLES[name]],
    ]),
    ['opened before welcome', [EXAMPLES.opened]],
    ['a second welcome', [EXAMPLES.welcome, EXAMPLES.welcome]],
    [
      'a log with a gap',
      [EXAMPLES.welcome, EXAMPLES.opened, { ...EXAMPLES.log, from: 2, items: [new Uint8Array(32)] }],
    ],
    ['more positions than ids', [EXAMPLES.welcome, EXAMPLES.opened, { ...EXAMPLES.ack, positions: [1] }]],
    [
      'more ids than positions',
      [EXAMPLES.welcome, EXAMPLES.opened, { ...EXAMPLES.ack, ids: new Uint8Array(32) }],
    ],
  ])('%s', (_, messages) => {
    expect(refused(messages)).toBe('WEFT_FRAME_UNEXPECTED')
  })

  test('messages of a channel that it has shut were under way, and are passed over', () => {
    const session = new ReplicaSession('test')
    session.open('w')
    session.connected('t')
    session.receive(encodeMessage(EXAMPLES.welcome))
    session.shut('w')
    for (const name of ['opened', 'log', 'ack', 'refuse', 'fail'] as const) {
      expect(session.receive(encodeMessage(EXAMPLES[name]))).toEqual([])
    }
  })
})

function idsOf(messages: readonly Message[]): string[] {
  return messages.flatMap(message => (message.name === 'refuse' ? [toHex(message.id)] : []))
}

describe('a change at the door', () => {
  const author = new Author(1)
  const [first, second] = author.appends(2) as [ReturnType<Author['append']>, ReturnType<Author['append']>]

  const refusals = (message: Message, scopes?: readonly Scope[]): Message[] => {
    const peer = peerAfter([HELLO, OPEN, message], scopes)
    expect(peer.closed).toBeUndefined()
    peer.log.commit()
    expect(peer.log.records).toEqual([])
    return sentBy(peer).filter(sent => sent.name === 'refuse')
  }

  test('[CHG-5] bytes that are no change are refused without an id', () => {
    const found = refusals({ name: 'push', channel: 1, changes: [new Uint8Array(50), Uint8Array.of(0x83)] })
    expect(found).toMatchObject([{ code: 'WEFT_CHANGE_MALFORMED' }, { code: 'WEFT_CHANGE_MALFORMED' }])
    expect(idsOf(found)).toEqual(['', ''])
  })

  test('[CHG-5] a change whose parts are not those of its header is refused', () => {
    const bytes = first.bytes.slice()
    bytes[bytes.length - 3]! ^= 1
    expect(refusals(push({ bytes }))).toMatchObject([{ code: 'WEFT_CHANGE_HASH' }])
  })

  test('[CHG-5] a change without a part that its header names is refused: no replica could take it in', () => {
    const [header] = frameOf(first)
    const found = refusals(push({ bytes: framed([header!, null, null]) }))
    expect(found).toMatchObject([{ code: 'WEFT_CHANGE_MALFORMED' }])
    expect(idsOf(found)).toEqual([first.id])
  })

  test('[CHG-5] a change whose entries cannot be read is refused by its id, so that its author learns of it', () => {
    const change = forgedEntries(first, 'no JSON')
    const found = refusals(push(change))
    expect(found).toMatchObject([{ code: 'WEFT_CHANGE_MALFORMED' }])
    expect(idsOf(found)).toEqual([change.id])
  })

  test('[CHG-3] what comes before its deps is refused, with what is missing', () => {
    const [found] = refusals(push(second))
    expect(found).toMatchObject({ code: 'WEFT_CHANGE_DEPS_MISSING' })
    expect(found?.name === 'refuse' && JSON.parse(found.details!)).toMatchObject({ missing: [first.id] })
  })

  test('without the scope to write each change is refused, and the connection lives', () => {
    expect(refusals(push(first, second), ['read'])).toMatchObject([
      { code: 'WEFT_SCOPE' },
      { code: 'WEFT_SCOPE' },
    ])
  })

  test('a refused change takes nothing from what may be unanswered', () => {
    const peer = peerAfter([HELLO, OPEN])
    const large = new Author(3).appends(2, 900_000)
    for (let round = 0; round < 8; round++) peer.receive(encodeMessage(push(large[1]!)))
    expect(peer.closed).toBeUndefined()
  })

  test('those of one frame are taken a few at a time, in their order, and what follows them waits for that', () => {
    const { session } = peerAfter([HELLO, OPEN])
    const changes = new Author(5).appends(7)
    const cost = changes[0]!.bytes.length + CHANGE_COST
    const taken = [session.receive(encodeMessage(push(...changes)), 2 * cost)]
    for (let left = session.unfinished?.cost; left; left = session.unfinished?.cost) {
      taken.push(session.proceed(2 * cost))
      expect(session.unfinished?.cost ?? 0).toBeLessThan(left)
    }
    const submitted = taken.map(effects =>
      effects.flatMap(each => (each.do === 'submit' ? each.changes : [])),
    )
    expect(submitted.map(({ length }) => length)).toEqual([2, 2, 2, 1])
    expect(submitted.flat().map(({ id }) => id)).toEqual(changes.map(({ id }) => id))
    expect(session.proceed(cost)).toEqual([])
  })

  test('what is left of a frame is passed over when its channel fails, and when the connection ends', () => {
    for (const end of ['channel', 'connection']) {
      const { session } = peerAfter([HELLO, OPEN])
      session.receive(encodeMessage(push(...new Author(5).appends(3))), 1)
      if (end === 'channel') session.failChannel(1, new Error('damaged'))
      else session.disconnected()
      expect(session.proceed(1)).toEqual([])
      expect(session.unfinished).toBeUndefined()
    }
  })

  test('text of an error that is too long is cut, and the frame still reads', () => {
    const peer = peerAfter([HELLO, OPEN])
    peer.feed(session => session.refused(1, first.id, new Error('secret')))
    expect(sentBy(peer).at(-1)).toMatchObject({ name: 'refuse', code: 'WEFT_INTERNAL' })
    expect(JSON.stringify(sentBy(peer).at(-1))).not.toContain('secret')
    const deps = Array.from({ length: 1_000 }, (_, n) => n.toString(16).padStart(64, '0'))
    const change = forged(first, { deps: packed(deps) })
    peer.receive(encodeMessage(push(change)))
    expect(sentBy(peer).at(-1)).toMatchObject({ code: 'WEFT_CHANGE_DEPS_MISSING', details: null })
  })
})

describe('channels', () => {
  test('one that fails leaves the others alone, also when more of it was under way', () => {
    const other: Message = { name: 'open', channel: 2, workflow: 'v', after: 0, last: new Uint8Array(0) }
    const peer = peerAfter([HELLO, OPEN, other])
    peer.feed(session => session.failChannel(1, new Error('disk')))
    for (const message of [
      push(new Author(1).append()),
      { name: 'seen', channel: 1, position: 3 } as const,
    ]) {
      peer.receive(encodeMessage(message))
    }
    peer.receive(encodeMessage({ name: 'shut', channel: 1 }))
    expect(sentBy(peer).at(-1)).toMatchObject({ name: 'fail', channel: 1, code: 'WEFT_INTERNAL' })
    expect(peer.closed).toBeUndefined()
    peer.receive(encodeMessage({ name: 'push', channel: 2, changes: [] }))
    expect(peer.closed).toBeUndefined()
    // Shut, it is over for good.
    peer.receive(encodeMessage(push()))
    expect(peer.closed).toBe(4400)
  })

  test('a replica shuts a channel that failed, keeps nothing of it, and can open the context again', () => {
    const replica = new ReplicaEnd()
    const wire = new Wire(replica, new ModelLog())
    wire.connect()
    wire.flush()
    wire.peer!.feed(session => session.failChannel(1, new Error('disk')))
    wire.toReplica()
    expect(replica.failures).toEqual(['WEFT_INTERNAL'])
    expect(decodeMessage(replica.sent[0]!)).toEqual({ name: 'shut', channel: 1 })
    replica.feed(replica.session.open('w'))
    wire.write(new Author(1).append())
    wire.flush()
    wire.log.commit()
    wire.flush()
    expect(replica.log).toHaveLength(1)
  })

  test('one too many fails alone', () => {
    const opens = Array.from(
      { length: WIRE_LIMITS.channels_max + 1 },
      (_, channel): Message => ({ ...OPEN, channel }) as Message,
    )
    const session = new PeerSession(sha256)
    session.receive(encodeMessage(HELLO))
    session.authenticated({ tenant: 't', scopes: ['read'] })
    const effects = opens.flatMap(open => session.receive(encodeMessage(open)))
    const last = effects.at(-1)!
    expect(last.do === 'send' && decodeMessage(last.frame)).toMatchObject({
      name: 'fail',
      channel: WIRE_LIMITS.channels_max,
      code: 'WEFT_LIMIT',
    })
    expect(session.phase).toBe('open')
  })

  test('a context with more heads than can be told opens all the same', () => {
    const heads: ChangeId[] = Array.from({ length: 5_000 }, (_, n) => n.toString(16).padStart(64, '0'))
    const peer = peerAfter([HELLO, OPEN])
    peer.feed(session => session.opened(1, 9, heads, true))
    expect(sentBy(peer).find(sent => sent.name === 'opened' && sent.count === 9)).toBeDefined()
  })

  test('while its socket is full nothing is sent to a follower but answers', () => {
    const peer = peerAfter([HELLO, OPEN])
    for (const change of new Author(1).appends(3)) peer.log.submit(change, STRANGER)
    peer.log.commit()
    peer.feed(session => session.congested(true))
    const before = peer.sent.length
    peer.answerRead()
    peer.receive(encodeMessage(push(new Author(2).append())))
    peer.log.commit()
    expect(
      sentBy(peer)
        .slice(before)
        .map(sent => sent.name),
    ).toEqual(['ack'])
    peer.feed(session => session.congested(false))
    peer.answerRead()
    expect(sentBy(peer).at(-1)).toMatchObject({ name: 'log', from: 1 })
  })
})

describe('after a peer came back with less', () => {
  const changes = new Author(1).appends(4)

  /** A replica that has all four changes, three by the log and the last by an ack alone. */
  function replicaThatKnows(count: number): ReplicaSession {
    const session = new ReplicaSession('test')
    session.open('w')
    session.connected('t')
    session.receive(encodeMessage(EXAMPLES.welcome))
    session.receive(encodeMessage({ ...EXAMPLES.opened, count }))
    session.receive(
      encodeMessage({ ...EXAMPLES.log, items: changes.slice(0, count).map(each => each.bytes) }),
    )
    session.delivered('w', count, changes[count - 1]!.id)
    session.disconnected()
    return session
  }

  function reopened(session: ReplicaSession, count: number, known: boolean): ReplicaEffect[] {
    session.connected('t')
    session.receive(encodeMessage(EXAMPLES.welcome))
    return session.receive(encodeMessage({ ...EXAMPLES.opened, count, known }))
  }

  test('[DUR-5] a shorter log is a rollback, and nothing is pushed until the rest of it was read', () => {
    const session = replicaThatKnows(3)
    session.push('w', changes[3]!)
    const effects = reopened(session, 2, false)
    expect(effects).toEqual([{ do: 'opened', workflow: 'w', count: 2, rollback: true, position: 0 }])
    expect(session.pump()).toEqual([])
    const caughtUp = session.receive(
      encodeMessage({ ...EXAMPLES.log, items: changes.slice(0, 2).map(each => each.bytes) }),
    )
    expect(caughtUp.at(-1)).toMatchObject({ do: 'caught-up', workflow: 'w', afterRollback: true })
    session.offer('w', changes.slice(2))
    expect(session.pump()).toMatchObject([{ do: 'send' }])
  })

  test('[DUR-5] a rollback is not forgotten when the connection breaks before it was dealt with', () => {
    const session = replicaThatKnows(3)
    reopened(session, 2, false)
    session.disconnected()
    reopened(session, 2, true)
    const effects = session.receive(
      encodeMessage({ ...EXAMPLES.log, items: changes.slice(0, 2).map(each => each.bytes) }),
    )
    expect(effects.at(-1)).toMatchObject({ do: 'caught-up', workflow: 'w', afterRollback: true })
  })

  test('[DUR-5] a log that has as many changes, and others, is a rollback too', () => {
    expect(reopened(replicaThatKnows(2), 2, false)).toMatchObject([
      { do: 'opened', rollback: true, position: 0 },
    ])
  })

  test('[DUR-5] the same log is none, and only what is new is asked for', () => {
    const session = replicaThatKnows(3)
    session.connected('t')
    const [, open] = session.receive(encodeMessage(EXAMPLES.welcome))
    expect(open?.do === 'send' && decodeMessage(open.frame)).toMatchObject({ name: 'open', after: 3 })
    const effects = session.receive(encodeMessage({ ...EXAMPLES.opened, count: 3 }))
    expect(effects).toEqual([
      { do: 'opened', workflow: 'w', count: 3, rollback: false, position: 3 },
      { do: 'caught-up', workflow: 'w', afterRollback: false, heads: unpackIds(EXAMPLES.opened.heads) },
    ])
  })
})
