import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { connect, type ReplicaEvent } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

const PING_MS = 40

/** A way to a peer that can be cut without anybody being told: what is sent on it then goes nowhere. */
async function way(port: number): Promise<{ url: string; cut(): void; mend(): void }> {
  let isCut = false
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const far = connectTcp(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', bytes => !isCut && to.write(bytes))
      from.on('close', () => !isCut && to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      isCut = true
    },
    mend: () => {
      isCut = false
    },
  }
}

test('[CHG-4] a way that is cut without a word is noticed by who only reads, and what was missed is shown', async () => {
  const harness = await PeerHarness.start()
  const { url, cut, mend } = await way(harness.peer.port)
  const events: ReplicaEvent[] = []
  const onEvent = (event: ReplicaEvent): void => void events.push(event)
  const reader = await connect({ url, token: await harness.token(), ping_ms: PING_MS, onEvent })
  onTestFinished(() => reader.close({ discard: true }))
  const reading = await reader.open(Research, { workflow: 'w', agent: 'reader' })
  const writer = await harness.replica()
  const writing = await writer.open(Research, { workflow: 'w', agent: 'writer' })

  cut()
  await writing.append('message', { text: 'withdrawn' }).committed
  await until(() => !reader.online, 'the reader knows that it knows nothing')
  const reason = expect.stringContaining(`nothing has come from there for ${2 * PING_MS} ms`)
  expect(events.at(-1)).toMatchObject({ type: 'disconnected', reason })

  mend()
  await until(() => textsOf(reading).includes('withdrawn'), 'the reader has caught up')
})

test('a peer that gives signs of its own is kept, though it leaves unread what it is asked', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false })
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  let asked = 0
  server.on('connection', socket => {
    const signs = setInterval(() => socket.ping(), PING_MS)
    socket.on('ping', () => asked++)
    socket.on('close', () => clearInterval(signs))
  })
  const events: ReplicaEvent[] = []
  const { port } = server.address() as AddressInfo
  const url = `ws://127.0.0.1:${port}`
  const onEvent = (event: ReplicaEvent): void => void events.push(event)
  const replica = await connect({ url, token: 't', offline: true, ping_ms: PING_MS, onEvent })
  await until(() => asked >= 8, 'it was asked again and again')
  expect(events).toEqual([])
  await replica.close({ discard: true })
})

test('who accepts and never answers is given up, and another is tried', async () => {
  let accepted = 0
  const server = createServer(socket => {
    accepted++
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const events: ReplicaEvent[] = []
  const url = `ws://127.0.0.1:${port}`
  const onEvent = (event: ReplicaEvent): void => void events.push(event)
  const replica = await connect({ url, token: 't', offline: true, ping_ms: PING_MS, onEvent })
  await until(() => accepted >= 2, 'it was dialled again')
  const reason = expect.stringContaining('nothing has come from there')
  expect(events[0]).toMatchObject({ type: 'disconnected', reason })
  await replica.close({ discard: true })
})

test('why a connection ended is told of that one, and not of the one before', async () => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  const reasons: string[] = []
  const onEvent = (event: ReplicaEvent): void => {
    if (event.type === 'disconnected') reasons.push(event.reason)
  }
  const replica = await connect({ url: `ws://127.0.0.1:${port}`, token: 't', offline: true, onEvent })
  await until(() => reasons.length > 0, 'nobody is there')
  expect(reasons.every(reason => reason.includes('ECONNREFUSED'))).toBe(true)
  const server = new WebSocketServer({ port, host: '127.0.0.1' })
  onTestFinished(() => void server.close())
  server.on('connection', socket => socket.terminate())
  await until(() => reasons.at(-1) === '', 'somebody is there, and leaves without a word')
  await replica.close({ discard: true })
})

test.each([0, -1, 1.5, Number.NaN, 2 ** 31, '15s' as never])('%s is no time between pings', async ping_ms => {
  const refused = await rejectionOf(connect({ url: 'ws://127.0.0.1:9', token: 't', offline: true, ping_ms }))
  expect(refused.code).toBe('WEFT_USAGE')
})
