import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { LIMITS } from '@weft/core'
import { encodeMessage, WIRE_LIMITS } from '@weft/protocol'
import { startPeer } from '@weft/peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MemoryStore } from '../support/memory-store.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import { WireClient } from '../support/wire-client.ts'

describe('a socket that does not keep to the protocol', () => {
  const author = new Author(1)
  const [first, second] = author.appends(2)

  /** A peer with one change in its log, a follower that behaves, and a client that will not. */
  async function scene(): Promise<{ harness: PeerHarness; good: WireClient; bad: WireClient }> {
    const harness = await PeerHarness.start()
    const good = await harness.following()
    const bad = await harness.following()
    good.push(first!)
    await good.next('log')
    return { harness, good, bad }
  }

  async function livesOn({ harness, good }: { harness: PeerHarness; good: WireClient }): Promise<void> {
    expect(await harness.ids()).toEqual([first!.id])
    good.push(second!)
    await good.next('log')
    expect(await harness.ids()).toEqual([first!.id, second!.id])
  }

  test.each<[string, string, (client: WireClient) => void]>([
    ['text', 'WEFT_FRAME_MALFORMED', ({ socket }) => socket.send('hello')],
    ['no CBOR', 'WEFT_FRAME_MALFORMED', ({ socket }) => socket.send(Uint8Array.of(0xff, 0x00))],
    ['an empty frame', 'WEFT_FRAME_MALFORMED', ({ socket }) => socket.send(new Uint8Array(0))],
    ['an unknown message', 'WEFT_FRAME_UNKNOWN', ({ socket }) => socket.send(Uint8Array.of(0x81, 0x0f))],
    [
      'a message of the peer',
      'WEFT_FRAME_UNEXPECTED',
      client => client.send({ name: 'log', channel: 1, from: 2, items: [second!.bytes] }),
    ],
    ['a second hello', 'WEFT_FRAME_UNEXPECTED', client => client.hello('x')],
    [
      'seen beyond the log',
      'WEFT_FRAME_UNEXPECTED',
      client => client.send({ name: 'seen', channel: 1, position: 9 }),
    ],
  ])('is told why and closed with 4400, and all else lives on: %s', async (_, code, misbehave) => {
    const all = await scene()
    misbehave(all.bad)
    expect(await all.bad.next('fail')).toMatchObject({ channel: null, code })
    expect(await all.bad.closed).toBe(4400)
    await livesOn(all)
    expect(await all.harness.metric('weft_connections_failed_total')).toBe(1)
  })

  test('a frame above the limit ends the connection before it is read', async () => {
    const all = await scene()
    all.bad.socket.send(new Uint8Array(WIRE_LIMITS.frame_bytes_max + 1))
    expect(await all.bad.closed).toBe(1009)
    await livesOn(all)
  })

  test('a frame in too many fragments ends the connection', async () => {
    const all = await scene()
    for (let i = 0; i < 100; i++) all.bad.socket.send(Uint8Array.of(0), { fin: false })
    expect([1006, 1008, 1009]).toContain(await all.bad.closed)
    await livesOn(all)
  })

  test('who says nothing is cut off', async () => {
    const harness = await PeerHarness.start({ limits: { auth_deadline_ms: 30 } })
    const client = await WireClient.connect(harness.url)
    expect(await client.next('fail')).toMatchObject({ code: 'WEFT_AUTH_DEADLINE' })
    expect(await client.closed).toBe(4408)
  })

  test('who answers no ping is cut off', async () => {
    const harness = await PeerHarness.start({ limits: { ping_ms: 40 } })
    const client = await harness.following()
    client.socket.pause()
    await until(async () => (await harness.metric('weft_connections')) === 0, 'it is cut off')
    client.socket.resume()
    expect(await client.closed).toBe(1006)
  })

  test('one too many is sent away, and a broken frame of it ends nothing else', async () => {
    const harness = await PeerHarness.start({ limits: { connections_max: 1 } })
    const good = await harness.following()
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    // By hand: a frame with reserved bits, sent before the answer could be read.
    socket.write(
      'GET / HTTP/1.1\r\nHost: peer\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    socket.write(Uint8Array.of(0xf2, 0x85, 0, 0, 0, 0, 1, 2, 3, 4, 5))
    socket.resume()
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('101 Switching Protocols')
    await once(socket, 'close')
    const refused = await WireClient.connect(harness.url)
    expect(await refused.closed).toBe(1013)
    good.push(first!)
    await good.next('log')
  })
})

describe('over HTTP', () => {
  test('the peer says that it lives, that it is ready, and what it counts', async () => {
    const harness = await PeerHarness.start()
    expect(await harness.http('/livez')).toEqual({ status: 200, text: 'ok\n' })
    expect(await harness.http('/readyz')).toMatchObject({ status: 200 })
    const client = await harness.following()
    const changes = new Author(1).appends(3)
    client.push(...changes)
    await client.next('log')
    client.push(changes[0]!)
    await client.next('ack')
    expect(await harness.metric('weft_connections')).toBe(1)
    expect(await harness.metric('weft_contexts_open')).toBe(1)
    expect(await harness.metric('weft_changes_committed_total')).toBe(3)
    expect(await harness.metric('weft_changes_duplicate_total')).toBe(1)
    expect(await harness.metric('weft_commit_seconds_count')).toBeGreaterThan(0)
    expect(await harness.metric('weft_ready')).toBe(1)
  })

  test('[TEN-2] no label and no line of the metrics names a tenant or a workflow', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following({ tenant: 'tenant-unheard-of' }, 'workflow-unheard-of')
    client.push(new Author(1).append())
    await client.next('log')
    expect((await harness.http('/metrics')).text).not.toContain('unheard-of')
  })

  test('every line of the metrics is one of the text format', async () => {
    const harness = await PeerHarness.start()
    const lines = (await harness.http('/metrics')).text.trimEnd().split('\n')
    const line = /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{(?:[a-z]+="[^"]*",?)+\})? [0-9.e+-]+)$/
    expect(lines.filter(each => !line.test(each))).toEqual([])
    expect(lines.length).toBeGreaterThan(20)
  })

  test('other paths and methods are answered as such', async () => {
    const harness = await PeerHarness.start()
    expect(await harness.http('/livez', { method: 'POST' })).toMatchObject({ status: 405 })
    expect(await harness.http('/secrets')).toMatchObject({ status: 404 })
    expect(await harness.http('/livez?deep=1')).toMatchObject({ status: 200 })
  })

  test.each(['//', 'http://[', '/%', '*', '/\u00e9'])('the peer outlives a request for %j', async target => {
    const harness = await PeerHarness.start()
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    socket.write(`GET ${target} HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n`)
    const answer = await new Promise<string>(resolve => {
      let text = ''
      socket.on('data', data => {
        text += data.toString()
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 4/)
    expect(await harness.http('/livez')).toMatchObject({ status: 200 })
  })
})

describe('starting', () => {
  test('on a port in use is refused, and the store is closed again', async () => {
    const { peer } = await PeerHarness.start()
    const store = new MemoryStore()
    const second = startPeer({
      openStore: async () => store,
      key: { kind: 'secret', secret: SECRET },
      port: peer.port,
    })
    expect(await rejectionOf(second)).toMatchObject({
      code: 'WEFT_PORT_IN_USE',
      details: { port: peer.port },
    })
    expect((await rejectionOf(store.tenant('t').head('w'))).code).toBe('WEFT_STORE_CLOSED')
  })

  test('on a host that is none is refused', async () => {
    const started = startPeer({
      openStore: async () => new MemoryStore(),
      key: { kind: 'secret', secret: SECRET },
      host: '192.0.2.1',
      port: 0,
    })
    expect((await rejectionOf(started)).code).toBe('WEFT_USAGE')
  })

  test('a frame has room for one change of any size', () => {
    const change = new Author(1).append(LIMITS.change_bytes_max - 400)
    const frame = encodeMessage({ name: 'push', channel: Number.MAX_SAFE_INTEGER, changes: [change.bytes] })
    expect(frame.length).toBeLessThan(WIRE_LIMITS.frame_bytes_max)
  })
})
