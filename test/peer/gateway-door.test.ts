import { createServer, type IncomingMessage, request as requestOf, type RequestListener } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { WeftError } from '@weft/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { gateOf, until } from '../support/peer-until.ts'

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A peer that forwards to a server that answers as it is told. */
async function scene(listener: RequestListener) {
  const port = await listen(listener)
  const harness = await PeerHarness.start({ gateway: async () => port })
  return { harness, base: `http://127.0.0.1:${harness.peer.port}` }
}

async function bodyOf(request: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('the door to a gateway', () => {
  test('forwards what is asked, and what is answered, as they are', async () => {
    const { base } = await scene(async (request, response) => {
      const said = await bodyOf(request)
      response.writeHead(418, {
        'content-type': 'text/x',
        'weft-session': 's',
        connection: 'x-own',
        'x-own': '1',
      })
      response.end(JSON.stringify([request.method, request.url, request.headers.authorization, said]))
    })
    const response = await fetch(`${base}/v1/a%2Fb?q=%20&q=2`, {
      method: 'POST',
      headers: { authorization: 'Bearer t', 'content-type': 'application/json' },
      body: '{"a":1}',
    })
    expect(response.status).toBe(418)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/x',
      'weft-session': 's',
    })
    expect(response.headers.get('x-own')).toBeNull()
    expect(await response.json()).toEqual(['POST', '/v1/a%2Fb?q=%20&q=2', 'Bearer t', '{"a":1}'])
  })

  test('forwards nothing of what is of the connection, and no body where none is framed', async () => {
    const seen: IncomingMessage[] = []
    const { harness } = await scene((request, response) => {
      seen.push(request)
      response.end('ok')
    })
    const outer = requestOf({
      port: harness.peer.port,
      path: '/v1/x',
      method: 'DELETE',
      headers: {
        connection: 'close, x-mine',
        'x-mine': '1',
        te: 'trailers',
        'content-length': 3,
        host: 'outside',
      },
    })
    outer.end('abc')
    const [answer] = (await once(outer, 'response')) as [IncomingMessage]
    expect(await bodyOf(answer)).toBe('ok')
    const { headers } = seen[0]!
    expect(headers).not.toHaveProperty('x-mine')
    expect(headers).not.toHaveProperty('te')
    expect(headers).not.toHaveProperty('content-length')
    expect(headers.host).toMatch(/^127\.0\.0\.1:/)
    expect(seen).toHaveLength(1)
  })

  test('streams both ways: neither is held in the peer', async () => {
    const { base } = await scene((request, response) => {
      response.writeHead(200)
      request.on('data', chunk => response.write(chunk))
      request.on('end', () => response.end())
    })
    let push!: (text: string | undefined) => void
    const body = new ReadableStream({
      start(controller) {
        push = text => (text === undefined ? controller.close() : controller.enqueue(Buffer.from(text)))
      },
    })
    const asking = fetch(`${base}/v1/x`, { method: 'POST', body, duplex: 'half' } as RequestInit)
    push('one')
    const reader = (await asking).body!.getReader()
    const next = async () => Buffer.from((await reader.read()).value ?? []).toString()
    expect(await next()).toBe('one')
    push('two')
    expect(await next()).toBe('two')
    push(undefined)
    expect((await reader.read()).done).toBe(true)
  })

  test('lets go of the gateway when who asked is gone', async () => {
    let closed = false
    let asked = false
    const { base } = await scene((_, response) => {
      asked = true
      response.on('close', () => {
        closed = true
      })
    })
    const gone = new AbortController()
    const asking = fetch(`${base}/v1/x`, { signal: gone.signal })
    await until(() => asked, 'it is forwarded')
    gone.abort()
    await expect(asking).rejects.toThrow()
    await until(() => closed, 'it is let go')
  })

  test('carries an answer that comes before all is sent, and serves what comes next on the connection', async () => {
    const asked: IncomingMessage[] = []
    const { harness } = await scene((request, response) => {
      asked.push(request)
      response.writeHead(413, { 'content-length': 2 })
      response.write('no')
    })
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let told = ''
    socket.on('data', data => {
      told += String(data)
    })
    const half = 'x'.repeat(1_000_000)
    socket.write(`POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n${half}`)
    await until(() => told.endsWith('no'), 'it is answered')
    expect(told).toMatch(/^HTTP\/1\.1 413/)
    asked[0]!.socket.destroy()
    socket.write(`${half}GET /livez HTTP/1.1\r\nhost: x\r\n\r\n`)
    await until(() => told.endsWith('ok\n'), 'the next is answered')
  })

  test.each([
    ['a length', 'content-length: 5\r\n\r\n', 'abcde'],
    ['chunks', 'transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n', '0\r\n\r\n'],
  ])('serves one that offers another protocol than websockets, with a body by %s', async (_, head, body) => {
    const { harness } = await scene(async (request, response) => {
      response.end(`${request.method} ${request.headers.upgrade} ${await bodyOf(request)};`)
    })
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let told = ''
    socket.on('data', data => {
      told += String(data)
    })
    const offer =
      'host: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n'
    for (let time = 1; time <= 20; time++) {
      socket.write(`POST /v1/x HTTP/1.1\r\n${offer}${head}`)
      await harness.http('/livez')
      socket.write(body)
      await until(() => told.split('POST undefined abcde;').length === time + 1, 'it is answered')
    }
    socket.write(`GET /livez HTTP/1.1\r\n${offer}\r\n`)
    await until(() => told.endsWith('ok\n'), 'the peer answers, too')
    expect(told.match(/HTTP\/1\.1 (?!200)/g)).toBeNull()
  })

  test('serves those that offer one behind others that are not answered yet, and outlives one that breaks off', async () => {
    const gate = gateOf()
    const asked: string[] = []
    const { harness } = await scene(async (request, response) => {
      asked.push(request.url!)
      await gate.opened
      response.end(`${request.url};`)
    })
    const ask = (...paths: string[]) => {
      const socket = connectTcp(harness.peer.port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      const offer = 'connection: Upgrade\r\nupgrade: h2c\r\n'
      for (const path of paths)
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n${path.endsWith('offer') ? offer : ''}\r\n`)
      return socket
    }
    const gone = ask('/v1/gone', '/v1/gone/offer')
    await until(() => asked.length > 0, 'the first is asked')
    gone.resetAndDestroy()
    let told = ''
    ask('/v1/1/offer', '/v1/2/offer', '/v1/3', '/v1/4/offer').on('data', data => {
      told += String(data)
    })
    await until(() => asked.includes('/v1/1/offer'), 'the first of the others is asked')
    gate.open()
    await until(() => told.includes('/v1/4/offer;'), 'all are answered')
    expect(told.match(/\/v1\/[^;]*/g)).toEqual(['/v1/1/offer', '/v1/2/offer', '/v1/3', '/v1/4/offer'])
  })

  test.each([
    ['http://x/v1/a%2Fb?q=1', '/v1/a%2Fb?q=1'],
    ['HTTPS://x:1/v1?', '/v1?'],
    ['http://x/livez', 'ok\n'],
    ['http://x/feed/w', 'WEFT_TOKEN_MISSING'],
  ])('takes a target that is a whole URL: %s', async (target, told) => {
    const { harness } = await scene((request, response) => response.end(request.url))
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toContain(told)
  })

  test('says with a problem that there is none, or that it broke off', async () => {
    const nowhere = await listen(() => {})
    const refusing = await PeerHarness.start({
      gateway: () => Promise.reject(new WeftError('WEFT_GATEWAY_DOWN', 'it is down', 'wait')),
    })
    const answer = await fetch(`http://127.0.0.1:${refusing.peer.port}/v1/x`, {
      method: 'POST',
      body: 'x'.repeat(3e6),
    })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { code: 'WEFT_GATEWAY_DOWN', cure: 'wait' },
    ])
    const { base } = await scene((_, response) => response.destroy())
    const broken = await fetch(`${base}/v1/x`)
    expect([broken.status, await broken.json()]).toMatchObject([503, { code: 'WEFT_GATEWAY_DOWN' }])
    expect(nowhere).toBeGreaterThan(0)
    const half = await scene((_, response) => {
      response.writeHead(200, { 'content-length': 10 })
      response.write('half')
      setImmediate(() => response.destroy())
    })
    await expect(fetch(`${half.base}/v1/x`).then(response => response.text())).rejects.toThrow()
    expect((await half.harness.http('/livez')).status).toBe(200)
  })

  test('refuses a target with bytes that are no text, and the peer lives', async () => {
    const { harness, base } = await scene((_, response) => response.end('ok'))
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    socket.write(Buffer.from('GET /v1/\u00e4\u20ac HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'))
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toMatch(/^HTTP\/1\.1 400/)
    expect(await (await fetch(`${base}/v1/x`)).text()).toBe('ok')
  })

  test('lives with one that does not even begin to answer', async () => {
    const harness = await PeerHarness.start({
      gateway: () => {
        throw new Error('a secret')
      },
    })
    const answer = await harness.http('/v1/x')
    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('secret')
    expect((await harness.http('/livez')).status).toBe(200)
  })

  test('is there only for what a gateway answers, and only where there is one', async () => {
    const paths: string[] = []
    const { harness } = await scene((request, response) => {
      paths.push(request.url!)
      response.end()
    })
    for (const path of ['/v1', '/v1/', '/v1?x', '/v1/x']) await harness.http(path)
    for (const path of ['/v10', '/v2', '/', '/livez', '/feed/w', '//v1/x']) await harness.http(path)
    expect(paths).toEqual(['/v1', '/v1/', '/v1?x', '/v1/x'])
    const without = await PeerHarness.start()
    expect(await without.http('/v1/x')).toMatchObject({ status: 404 })
    expect(await harness.http('/nothing')).toMatchObject({
      text: expect.stringContaining('/v1/openapi.json'),
    })
  })
})
