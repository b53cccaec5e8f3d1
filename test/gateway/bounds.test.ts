import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, GatewayHarness } from '../support/gateway-harness.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { StalledPeer } from '../support/stalled-peer.ts'

const SCHEMAS = join(import.meta.dirname, '../support/gateway-schemas.mjs')
const W = '/v1/contexts/w'
const CLAIMS = `${W}/subscriptions/pool/claims`

const connections = (api: GatewayHarness): Promise<number> => api.peer.metric('weft_connections')

/** A gateway whose connections to the peer can be meddled with. */
async function behindLink() {
  const peer = await PeerHarness.start()
  const link = await StalledPeer.before(peer.url)
  const api = await GatewayHarness.start({ url: link.url }, peer)
  expect((await api.say('one')).status).toBe(201)
  expect((await api.get(`${W}/log`)).status).toBe(200)
  return { api, link }
}

const CHANGE = {
  agent: 'a',
  schema: { name: 'research', version: 1 },
  entries: [{ kind: 'message', value: 1 }],
}

/** A write over a connection of its own, which may end before it is whole; and what it is answered all the same. */
function begun(
  { gateway }: GatewayHarness,
  { body, bytes = body.length, token }: { body: string; bytes?: number; token?: string },
) {
  const socket = connect(gateway.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  const authorization = token === undefined ? '' : `authorization: Bearer ${token}\r\n`
  const head = `host: x\r\ncontent-type: application/json\r\n${authorization}content-length: ${bytes}`
  socket.write(`POST ${W}/changes HTTP/1.1\r\n${head}\r\n\r\n${body}`)
  const answer = once(socket, 'data').then(String)
  answer.catch(() => {})
  return { socket, answer }
}

const stalled = (api: GatewayHarness, bytes: number, token?: string) =>
  begun(api, { body: ' '.repeat(bytes - 1), bytes, ...(token && { token }) })

describe('replicas of a gateway', () => {
  test('are one for each token, however many ask at once', async () => {
    const api = await GatewayHarness.start()
    await Promise.all(Array.from({ length: 20 }, () => api.get(`${W}/state`)))
    expect(await connections(api)).toBe(1)
    const token = await api.peer.token({ tenant: 'rival' })
    await api.get(`${W}/state`, { token })
    expect(await connections(api)).toBe(2)
  })

  test('are closed when nobody has asked for a while', async () => {
    const api = await GatewayHarness.start({ limits: { idle_ms: 50 } })
    await api.say('one')
    await until(async () => (await connections(api)) === 0, 'the replica is closed')
    expect((await api.get(`${W}/log`)).body.entries).toHaveLength(1)
  })

  test('are let go of for others, the longest unused first; those in use are not', async () => {
    const api = await GatewayHarness.start({ limits: { replicas_max: 2 } })
    const tokens = await Promise.all(['a', 'b', 'c'].map(tenant => api.peer.token({ tenant })))
    const ask = (at: number) => api.get(`${W}/state`, { token: tokens[at]! })
    for (const at of [0, 1, 2, 0, 1, 2]) expect((await ask(at)).status).toBe(200)
    await until(async () => (await connections(api)) === 2, 'the third is closed')
    await api.post(`${W}/subscriptions/pool`, { agent: 'a' }, { token: tokens[1]! })
    await ask(2)
    const gone = new AbortController()
    const waiting = [1, 2].map(at =>
      api.ask('POST', CLAIMS, {
        body: { agent: 'a', wait_ms: 60_000 },
        token: tokens[at]!,
        signal: gone.signal,
      }),
    )
    // The one without that subscription is answered; the other one keeps its place.
    expect((await waiting[1]!).status).toBe(404)
    expect((await ask(0)).status).toBe(200)
    expect((await ask(2)).status).toBe(200)
    gone.abort()
    await expect(waiting[0]).rejects.toThrow()
  })

  test('that are all in use leave no room for another', async () => {
    const api = await GatewayHarness.start({ limits: { replicas_max: 1 } })
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['message'] } })
    const gone = new AbortController()
    const waiting = api.occupy(CLAIMS, gone.signal)
    const token = await api.peer.token({ tenant: 'rival' })
    const other = (): Promise<Answer> => api.get(`${W}/state`, { token })
    await until(async () => (await other()).status === 503, 'there is no room')
    expect(await other()).toMatchObject({ body: { code: 'WEFT_LIMIT' } })
    await until(async () => (await connections(api)) === 1, 'the other one is closed again')
    gone.abort()
    await Promise.allSettled([waiting])
    await until(async () => (await other()).status === 200, 'there is room')
  })

  test('of one tenant leave room for those of others', async () => {
    const api = await GatewayHarness.start({ limits: { replicas_max: 4 } })
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['message'] } })
    const gone = new AbortController()
    const tokens = await Promise.all(Array.from({ length: 6 }, () => api.peer.token()))
    const waiting = tokens.map(token =>
      api.ask('POST', CLAIMS, { body: { agent: 'a', wait_ms: 60_000 }, token, signal: gone.signal }),
    )
    const refused = await Promise.race(waiting)
    expect(refused).toMatchObject({ status: 503, body: { code: 'WEFT_LIMIT' } })
    for (const tenant of ['rival', 'other', 'rival', 'third']) {
      const token = await api.peer.token({ tenant })
      expect((await api.get(`${W}/state`, { token })).status).toBe(200)
    }
    gone.abort()
    await Promise.allSettled(waiting)
    await until(async () => (await api.get(`${W}/state`)).status === 200, 'there is room again')
  })

  test('that the peer has sent away are opened anew', async () => {
    const { api, link } = await behindLink()
    link.cut(4400, 'WEFT_FRAME_MALFORMED')
    await until(async () => (await api.get(`${W}/log`)).status === 200, 'it is opened anew')
    expect((await api.say('it goes on')).status).toBe(201)
  })

  test('[DUR-1] do not say of a write what the peer has said of something else', async () => {
    const { api, link } = await behindLink()
    link.hold('log')
    const writing = api.say('under way')
    await until(async () => (await api.peer.ids()).length === 2, 'the peer has taken it')
    link.cut(4400, 'WEFT_FRAME_MALFORMED')
    expect(await writing).toMatchObject({ status: 504, body: { code: 'WEFT_NOT_SYNCED' } })
  })

  test('[DUR-4] do not say for ever that a context cannot be served, once it can', async () => {
    const { api, link } = await behindLink()
    link.failChannel(1, 'WEFT_STORE_CORRUPT')
    let told: Answer | undefined
    const ask = async (): Promise<number> => {
      const answer = await api.get(`${W}/log`)
      if (answer.status !== 200) told = answer
      return answer.status
    }
    await until(async () => (await ask()) !== 200, 'it is told that it cannot')
    expect(told).toMatchObject({ status: 500, body: { code: 'WEFT_STORE_CORRUPT' } })
    await until(async () => (await ask()) === 200, 'it is opened anew')
    expect((await api.say('it goes on')).status).toBe(201)
  })

  test('of tokens that the peer refuses take no place from those that it takes', async () => {
    const api = await GatewayHarness.start({ limits: { replicas_max: 1 } })
    await api.get(`${W}/state`)
    for (let time = 0; time < 5; time++) {
      expect((await api.get(`${W}/state`, { token: `bad.token.${time}` })).status).toBe(401)
    }
    expect(await connections(api)).toBe(1)
  })

  test('[TEN-5] serve nothing any more when their token has expired', async () => {
    const api = await GatewayHarness.start()
    const token = await api.peer.token({ lifetime: 2 })
    expect((await api.get(`${W}/state`, { token })).status).toBe(200)
    await until(async () => (await api.get(`${W}/state`, { token })).status !== 200, 'it has expired')
    expect(await api.get(`${W}/state`, { token })).toMatchObject({
      status: 401,
      body: { code: 'WEFT_TOKEN_EXPIRED' },
    })
    expect((await api.get(`${W}/state`)).status).toBe(200)
  })

  test('go on over a restart of the peer, and lose nothing that was answered', async () => {
    const api = await GatewayHarness.start()
    const first = await api.say('before')
    await api.peer.restart()
    const second = await api.say('after')
    expect(second.status).toBe(201)
    const read = await api.get(`${W}/log?after=${second.session}`)
    expect(read.body.entries.map(entry => (entry as { change: string }).change)).toEqual([
      first.body.change,
      second.body.change,
    ])
  })
})

describe('requests', () => {
  test('are as many as may be, and others are told to come again', async () => {
    const api = await GatewayHarness.start({ limits: { requests_max: 4 } })
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['message'] } })
    const gone = new AbortController()
    const waiting = [api.occupy(CLAIMS, gone.signal), api.occupy(CLAIMS, gone.signal)]
    await until(async () => (await api.get(`${W}/state`)).status === 503, 'no more are taken')
    const refused = await api.get(`${W}/state`)
    expect(refused).toMatchObject({ status: 503, body: { code: 'WEFT_LIMIT' } })
    expect(refused.headers.get('retry-after')).toBe('1')
    gone.abort()
    await Promise.allSettled(waiting)
    await until(async () => (await api.get(`${W}/state`)).status === 200, 'there is room again')
  })

  test('that wait behind another on a connection which breaks off are over with it', async () => {
    const api = await GatewayHarness.start({ limits: { requests_max: 3 } })
    const token = await api.peer.token({ tenant: 'rival' })
    const another = async (): Promise<number> => (await api.get(`${W}/state`, { token })).status
    await another()
    const release = api.peer.gate.hold()
    const before = api.peer.gate.appends
    const { socket } = begun(api, { body: JSON.stringify(CHANGE), token: api.token })
    await until(() => api.peer.gate.appends > before, 'the write is with the peer')
    const refused = async (): Promise<boolean> => {
      socket.write(`GET ${W}/state HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
      return (await another()) === 503
    }
    await until(refused, 'another is behind it')
    socket.resetAndDestroy()
    await until(async () => (await another()) === 200, 'there is room again')
    release()
  })

  test('hold as much in all as they may, and what is done is let go of', async () => {
    const api = await GatewayHarness.start({ limits: { bodies_bytes_max: 20_000 } })
    for (let time = 0; time < 3; time++) expect((await api.say('x'.repeat(6_000))).status).toBe(201)
    const release = api.peer.gate.hold()
    const before = api.peer.gate.appends
    const writing = api.say('x'.repeat(6_000))
    await until(() => api.peer.gate.appends > before, 'the write is with the peer')
    expect(await api.say('x'.repeat(6_000))).toMatchObject({ status: 503, body: { code: 'WEFT_LIMIT' } })
    release()
    expect((await writing).status).toBe(201)
    await until(async () => (await api.say('x'.repeat(6_000))).status === 201, 'there is room again')
  })

  test('of one token leave room for others', async () => {
    const api = await GatewayHarness.start({ limits: { requests_per_token_max: 2 } })
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['message'] } })
    const gone = new AbortController()
    const waiting = [api.occupy(CLAIMS, gone.signal), api.occupy(CLAIMS, gone.signal)]
    await until(async () => (await api.get(`${W}/state`)).status === 503, 'its places are taken')
    const token = await api.peer.token({ tenant: 'rival' })
    expect((await api.get(`${W}/state`, { token })).status).toBe(200)
    gone.abort()
    await Promise.allSettled(waiting)
  })

  test('of one tenant leave room for others, however many tokens it has', async () => {
    const api = await GatewayHarness.start({ limits: { requests_max: 8, bodies_bytes_max: 20_000 } })
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['message'] } })
    const gone = new AbortController()
    const tokens = await Promise.all(Array.from({ length: 8 }, () => api.peer.token()))
    const waiting = tokens.map(token =>
      api.ask('POST', CLAIMS, { body: { agent: 'a', wait_ms: 60_000 }, token, signal: gone.signal }),
    )
    const refused = await Promise.race(waiting)
    expect(refused).toMatchObject({ status: 503, body: { code: 'WEFT_LIMIT' } })
    const token = await api.peer.token({ tenant: 'rival' })
    expect((await api.get(`${W}/state`, { token })).status).toBe(200)
    gone.abort()
    await Promise.allSettled(waiting)
  })

  test('of one tenant leave room for the bodies of others', async () => {
    const api = await GatewayHarness.start({ limits: { bodies_bytes_max: 20_000 } })
    const sending = Array.from({ length: 3 }, () => stalled(api, 6_000, api.token))
    const refused = await Promise.race(sending.map(({ answer }) => answer))
    expect(refused).toMatch(/^HTTP\/1\.1 503[\s\S]*WEFT_LIMIT/)
    const token = await api.peer.token({ tenant: 'rival' })
    expect((await api.say('x'.repeat(3_000), { token })).status).toBe(201)
    for (const { socket } of sending) socket.destroy()
    await until(async () => (await api.say('x'.repeat(6_000))).status === 201, 'there is room again')
  })

  test('of strangers are answered before their bodies are read, and take no room', async () => {
    const api = await GatewayHarness.start({ limits: { requests_max: 4, bodies_bytes_max: 20_000 } })
    const sending = [
      ...Array.from({ length: 20 }, () => stalled(api, 6_000)),
      ...Array.from({ length: 20 }, (_, at) => stalled(api, 6_000, `made.up.${at}`)),
    ]
    for (const { answer } of sending) expect(await answer).toMatch(/^HTTP\/1\.1 401/)
    expect((await api.say('x'.repeat(6_000))).status).toBe(201)
  })

  test('whose token the peer has not taken yet are as many as may be', async () => {
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const api = await GatewayHarness.start({ url, limits: { unverified_max: 2, connect_ms: 500 } })
    const asking = [1, 2, 3].map(() => api.get(`${W}/state`))
    expect(await Promise.race(asking)).toMatchObject({ status: 503, body: { code: 'WEFT_LIMIT' } })
    const others = (await Promise.all(asking)).map(({ body }) => body.code)
    expect(others.sort()).toEqual(['WEFT_LIMIT', 'WEFT_PEER_UNREACHABLE', 'WEFT_PEER_UNREACHABLE'])
  })

  test('do not come in without end', async () => {
    const api = await GatewayHarness.start({ limits: { body_ms: 50 } })
    const { answer } = stalled(api, 6_000, api.token)
    expect(await answer).toMatch(/^HTTP\/1\.1 503[\s\S]*WEFT_ABORTED/)
    expect((await api.say('all of it')).status).toBe(201)
  })

  test('that wait are ended when the gateway closes, and those that write are answered', async () => {
    const api = await GatewayHarness.start()
    await api.post(`${W}/subscriptions/pool`, { agent: 'a', filter: { kinds: ['decision'] } })
    await api.say('one')
    const waiting = api.post(CLAIMS, { agent: 'a', wait_ms: 60_000 })
    const release = api.peer.gate.hold()
    const before = api.peer.gate.appends
    const writing = api.say('under way')
    await until(() => api.peer.gate.appends > before, 'the write is with the peer')
    const closing = api.gateway.close()
    expect(await waiting).toMatchObject({ status: 503 })
    release()
    const written = await writing
    expect(written.status).toBe(201)
    await closing
    expect(await api.peer.ids()).toContain(written.body.change)
    await expect(api.get(`${W}/state`)).rejects.toThrow()
  })

  test('do not keep a gateway from closing whose peer is gone', async () => {
    const api = await GatewayHarness.start({ schemas: SCHEMAS, limits: { drain_ms: 100 } })
    expect((await api.get(`${W}/log`)).status).toBe(200)
    const release = api.peer.gate.hold()
    // The initial state is written beside the change, and is not acknowledged.
    const writing = api.write({
      schema: { name: 'research', version: 2 },
      entries: [{ kind: 'message', value: { text: 'never' } }],
      wait_ms: 0,
    })
    expect((await writing).status).toBe(504)
    await api.gateway.close()
    release()
  })

  test('are waited for when it closes, and not connections over which nothing was asked', async () => {
    const api = await GatewayHarness.start({ limits: { drain_ms: 2_147_483_647 } })
    const silent = connect(api.gateway.port, '127.0.0.1')
    const gone = once(silent, 'close')
    await once(silent, 'connect')
    // By now it has been taken, too.
    await api.get(`${W}/state`)
    await api.gateway.close()
    await gone
  })

  test('find nothing of what is not durable yet', async () => {
    const api = await GatewayHarness.start()
    await api.say('one')
    const release = api.peer.gate.hold()
    const before = api.peer.gate.appends
    const writing = api.say('two')
    await until(() => api.peer.gate.appends > before, 'the write is with the peer')
    expect((await api.get(`${W}/log`)).body).toMatchObject({ total: 1 })
    release()
    await writing
    expect((await api.get(`${W}/log`)).body).toMatchObject({ total: 2 })
  })
})

describe('a context that the peer cannot serve', () => {
  test('[DUR-3] while its store fails is served again when that is well', async () => {
    const api = await GatewayHarness.start()
    await api.say('one')
    api.peer.gate.fault = 'before'
    const answer = await api.say('two')
    expect([201, 503, 504]).toContain(answer.status)
    await until(async () => (await api.say('three')).status === 201, 'the store is open again')
    const log = await api.get(`${W}/log`)
    const replica = await api.peer.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'b' })
    expect(log.body.entries.map(entry => (entry as { id: string }).id)).toEqual(
      context.entries().map(({ id }) => id),
    )
  })
})
