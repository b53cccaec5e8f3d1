import { type Change, fromHex } from '@weft/core'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  PeerSession,
  type ReplicaEffect,
  ReplicaSession,
} from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { sha256 } from '../support/core-property.ts'
import { Author } from '../support/wire-author.ts'

const HELLO: Message = { name: 'hello', versions: [1], token: 't', client: 'c' }
const OPEN: Message = { name: 'open', channel: 1, workflow: 'w', after: 0, last: new Uint8Array(0) }
const WELCOME: Message = {
  name: 'welcome',
  version: 1,
  tenant: 't',
  scopes: ['write'],
  push_bytes_max: 1_000_000,
  frame_bytes_max: 1_048_576,
}
const OPENED: Message = { name: 'opened', channel: 1, count: 0, heads: new Uint8Array(0), known: true }
const PROPOSE = { name: 'propose', channel: 1, branches: [], heads: [], unmoved: [] } as const
const RENEW: Message = { name: 'renew', request: 1, workflow: 'w', on: 'branch:main', epoch: 1 }

describe('[DUR-6] a proposal', () => {
  const author = new Author(1)
  const [first, second, third] = author.appends(3)
  const conditions = { heads: [{ branch: 'main', ids: [second!.id, first!.id] }], unmoved: ['state:/a'] }

  test('keeps its place among the changes of a replica, in a frame of its own, with all its conditions', () => {
    const session = new ReplicaSession('test')
    session.open('w')
    session.connected('t')
    session.receive(encodeMessage(WELCOME))
    session.receive(encodeMessage(OPENED))
    session.push('w', first!)
    session.push('w', second!)
    session.propose('w', third!, conditions)
    session.push('w', new Author(2).append())
    const frames = session
      .pump()
      .flatMap(effect => (effect.do === 'send' ? [decodeMessage(effect.frame)] : []))
    expect(frames.map(({ name }) => name)).toEqual(['push', 'propose', 'push'])
    expect(frames[1]).toMatchObject({ branches: ['main'], unmoved: ['state:/a'] })
    const peer = new PeerSession(sha256)
    peer.receive(encodeMessage(HELLO))
    peer.authenticated({ tenant: 't', scopes: ['read', 'write'] })
    peer.receive(encodeMessage(OPEN))
    const [submit] = peer.receive(encodeMessage(frames[1]!))
    expect(submit).toMatchObject({
      do: 'submit',
      preconditions: { ...conditions, heads: [{ branch: 'main', ids: [first!.id, second!.id].sort() }] },
    })
    expect(submit?.do === 'submit' && submit.changes.map(({ id }) => id)).toEqual([third!.id])
  })

  test('that may have been taken over the connection before is offered on, where there is no rate for it now', () => {
    const session = new ReplicaSession('test')
    session.open('w')
    const sentBy = (effects: readonly ReplicaEffect[]): string[] =>
      effects.flatMap(effect => (effect.do === 'send' ? [decodeMessage(effect.frame).name] : []))
    const connect = (): string[] => {
      session.connected('t')
      session.receive(encodeMessage(WELCOME))
      return sentBy(session.receive(encodeMessage(OPENED)))
    }
    const refuse = (id: string, code: string): ReplicaEffect[] =>
      session.receive(
        encodeMessage({
          name: 'refuse',
          channel: 1,
          id: fromHex(id),
          code,
          message: '',
          cure: '',
          details: null,
        }),
      )
    connect()
    session.propose('w', first!, conditions)
    session.propose('w', second!, conditions)
    expect(sentBy(session.pump())).toEqual(['propose', 'propose'])
    expect(refuse(second!.id, 'WEFT_QUOTA_RATE')).toMatchObject([{ do: 'refused', id: second!.id }])
    session.disconnected()
    expect(connect()).toEqual(['propose'])
    for (let i = 0; i < 3; i++) expect(sentBy(refuse(first!.id, 'WEFT_QUOTA_RATE'))).toEqual(['propose'])
    expect([...session.undecidedOf('w')]).toEqual([first!.id])
    expect(refuse(first!.id, 'WEFT_PRECONDITION')).toMatchObject([{ do: 'refused', id: first!.id }])
    expect([...session.pendingOf('w')]).toEqual([])
  })

  test('[CHG-5] that no peer could read is not sent, nor is a question: nothing else suffers from it', () => {
    const session = new ReplicaSession('test')
    session.open('w')
    session.connected('t')
    session.receive(encodeMessage(WELCOME))
    session.receive(encodeMessage(OPENED))
    session.push('w', first!)
    const refused = (heads: string[], unmoved: string[] = []) =>
      codeOf(() => session.propose('w', third!, { heads: [{ branch: 'main', ids: heads }], unmoved }))
    expect(refused(['zz'])).toBe('WEFT_INTERNAL')
    expect(refused([first!.id], ['x'.repeat(1_025)])).toBe('WEFT_INTERNAL')
    const large = { ...third!, bytes: new Uint8Array(1_000_000) } as Change
    const unmoved = Array.from({ length: 200 }, () => 'x'.repeat(1_000))
    expect(codeOf(() => session.propose('w', large, { heads: [], unmoved }))).toBe('WEFT_USAGE')
    expect(codeOf(() => session.questions.present('w', 'x'.repeat(8_193)))).toBe('WEFT_INTERNAL')
    expect(codeOf(() => session.questions.renew('w', 'branch:main', 1.5))).toBe('WEFT_INTERNAL')
    expect([...session.pendingOf('w')]).toEqual([first!.id])
    const sent = session.pump().flatMap(effect => (effect.do === 'send' ? [decodeMessage(effect.frame)] : []))
    expect(sent.map(({ name }) => name)).toEqual(['push'])
  })

  test('is not lost when the peer has come back with less', () => {
    const session = new ReplicaSession('test')
    session.open('w')
    session.push('w', first!)
    session.propose('w', third!, conditions)
    session.offer('w', [first!, second!])
    expect([...session.pendingOf('w')]).toEqual([first!.id, second!.id, third!.id])
  })

  test('and a renewal need the scope to write', () => {
    const peer = new PeerSession(sha256)
    peer.receive(encodeMessage(HELLO))
    peer.authenticated({ tenant: 't', scopes: ['read'] })
    peer.receive(encodeMessage(OPEN))
    const answers = [
      ...peer.receive(encodeMessage({ ...PROPOSE, change: first!.bytes })),
      ...peer.receive(encodeMessage(RENEW)),
    ].flatMap(effect => (effect.do === 'send' ? [decodeMessage(effect.frame)] : []))
    expect(answers).toMatchObject([
      { name: 'refuse', code: 'WEFT_SCOPE' },
      { name: 'denied', request: 1, code: 'WEFT_SCOPE' },
    ])
  })
})
