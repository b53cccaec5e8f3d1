import { connect as connectTcp } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Ask, GatewayHarness } from '../support/gateway-harness.ts'

const CHANGES = '/v1/contexts/w/changes'
const valid = {
  agent: 'a',
  schema: { name: 'research', version: 1 },
  entries: [{ kind: 'message', value: 1 }],
}

/** What a server answers to bytes that no client library would send. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write(text)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

describe('a request that is none is refused, changes nothing, and the gateway lives', () => {
  test.each<[string, number, string, string, Record<string, string>?]>([
    ['no JSON', 400, 'WEFT_REQUEST_MALFORMED', '{"agent":'],
    ['nothing at all', 400, 'WEFT_REQUEST_MALFORMED', ''],
    ['a list', 400, 'WEFT_REQUEST_MALFORMED', '[]'],
    ['null', 400, 'WEFT_REQUEST_MALFORMED', 'null'],
    ['bytes that are no text', 400, 'WEFT_REQUEST_MALFORMED', '\u0000\ud800'],
    [
      'JSON that says it is text',
      415,
      'WEFT_REQUEST_TYPE',
      JSON.stringify(valid),
      { 'content-type': 'text/plain' },
    ],
    ['a form', 415, 'WEFT_REQUEST_TYPE', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['JSON of no type', 415, 'WEFT_REQUEST_TYPE', JSON.stringify(valid), { 'content-type': '' }],
    [
      'a key __proto__',
      400,
      'WEFT_REQUEST_MALFORMED',
      JSON.stringify(valid).replace('{', '{"__proto__":{"x":1},'),
    ],
    [
      'a value with a key __proto__',
      422,
      'WEFT_VALUE_NOT_JSON',
      JSON.stringify(valid).replace('"value":1', '"value":{"__proto__":{"polluted":1}}'),
    ],
    [
      'a value deeper than any may be',
      422,
      'WEFT_VALUE_NOT_JSON',
      JSON.stringify(valid).replace('"value":1', `"value":${'['.repeat(65)}${']'.repeat(65)}`),
    ],
    [
      'a value as deep as a body can hold',
      422,
      'WEFT_VALUE_NOT_JSON',
      JSON.stringify(valid).replace('"value":1', `"value":${'['.repeat(500_000)}${']'.repeat(500_000)}`),
    ],
    [
      'a patch with a value as deep as that',
      422,
      'WEFT_VALUE_NOT_JSON',
      JSON.stringify({ ...valid, patch: [{ op: 'add', path: '/a', value: 0 }] }).replace(
        '"value":0',
        `"value":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      ),
    ],
    [
      'depth where none is asked for',
      400,
      'WEFT_REQUEST_MALFORMED',
      `{"agent":${'['.repeat(9_999)}${']'.repeat(9_999)}}`,
    ],
    ['more than a body may have', 413, 'WEFT_REQUEST_TOO_LARGE', `"${'x'.repeat(1_048_577)}"`],
    [
      'a filter of prototypes',
      400,
      'WEFT_REQUEST_MALFORMED',
      JSON.stringify(valid).replace('{', '{"expect":{"__proto__":[]},'),
    ],
  ])('with %s', async (_, status, code, body, headers = {}) => {
    const api = await GatewayHarness.start()
    const answer = await api.ask('POST', CHANGES, { body, headers })
    expect(answer).toMatchObject({ status, body: { code } })
    expect(await api.peer.ids()).toEqual([])
    expect({}).not.toHaveProperty('polluted')
    expect((await api.say('it lives')).status).toBe(201)
  })

  test('with bytes that are no UTF-8', async () => {
    const api = await GatewayHarness.start()
    const [before, after] = JSON.stringify(valid).replace('1}]', '"text"}]').split('text')
    for (const bytes of [
      [0xff, 0xfe],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xe2, 0x82],
    ]) {
      const response = await fetch(`${api.gateway.url}${CHANGES}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' },
        body: Buffer.concat([Buffer.from(before!), Buffer.from(bytes), Buffer.from(after!)]),
      })
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { code: 'WEFT_REQUEST_MALFORMED' },
      ])
    }
    expect(await api.peer.ids()).toEqual([])
    expect((await api.say('\u20ac \u{1f600}')).status).toBe(201)
  })

  test('with more than a body may have, of which nobody knows how much', async () => {
    const api = await GatewayHarness.start({ limits: { body_bytes_max: 1_000 } })
    const response = await fetch(`${api.gateway.url}${CHANGES}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' },
      body: new ReadableStream({
        start(controller) {
          for (let chunk = 0; chunk < 100; chunk++) controller.enqueue(Buffer.alloc(100, ' '))
          controller.close()
        },
      }),
      duplex: 'half',
    } as RequestInit)
    expect([response.status, await response.json()]).toMatchObject([413, { details: { bytes_max: 1_000 } }])
    expect((await api.say('in chunks, too')).status).toBe(201)
  })

  test('with a body that breaks off', async () => {
    const api = await GatewayHarness.start()
    const socket = connectTcp(api.gateway.port, '127.0.0.1')
    socket.on('error', () => {})
    const authorization = `authorization: Bearer ${api.token}`
    socket.write(
      `POST ${CHANGES} HTTP/1.1\r\nhost: x\r\n${authorization}\r\ncontent-length: 900\r\n\r\n{"agent":`,
    )
    socket.resume()
    socket.end()
    await new Promise(resolve => socket.on('close', resolve))
    expect((await api.say('it lives')).status).toBe(201)
  })

  test.each([
    ['no host', 'GET /v1/openapi.json HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 400/],
    [
      'a host that is none',
      'GET /v1/openapi.json HTTP/1.1\r\nhost: a b<>\r\nconnection: close\r\n\r\n',
      /^HTTP\/1\.1 400/,
    ],
    ['no HTTP', '\u0016\u0003\u0001\r\n\r\n', /^HTTP\/1\.1 400/],
    [
      'two lengths',
      'POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      /^HTTP\/1\.1 400/,
    ],
  ])('with %s', async (_, text, expected) => {
    const api = await GatewayHarness.start()
    expect(await raw(api.gateway.port, text)).toMatch(expected)
    expect((await api.say('it lives')).status).toBe(201)
  })
})

describe('[TEN-1] no path, query or header names another tenant', () => {
  test.each<[string, number, string]>([
    ['/v1/contexts/rival:w/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/rival%3Aw/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/rival%2Fw/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/..%2Frival/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/w%00/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/%E0%A4%A/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/%/state', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/%40other/state', 400, 'WEFT_ID_INVALID'],
    [`/v1/contexts/${'w'.repeat(129)}/state`, 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/w/state?branch=a%2Fb', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/w/state?tenant=rival', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/state?at=1&at=2', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/state?at=-1', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/state?at=1e3', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/state?at=', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/state?pointer=plan', 400, 'WEFT_POINTER_INVALID'],
    ['/v1/contexts/w/log?limit=1001', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/audit?pointer=plan', 400, 'WEFT_POINTER_INVALID'],
    ['/v1/contexts/w/window', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/window?budget=0', 400, 'WEFT_REQUEST_MALFORMED'],
    ['/v1/contexts/w/window?budget=9&pinEntry=no-entry', 400, 'WEFT_REF_INVALID'],
    ['/v1/contexts/w/window?budget=9&pinKind=a%20b', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/w/window?budget=9&staleness=a%20b:drop', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts/w/window?budget=9&staleness=:', 400, 'WEFT_ID_INVALID'],
    ['/v1/contexts//state', 404, 'WEFT_REQUEST_UNKNOWN'],
    ['/v1/contexts/w/nothing', 404, 'WEFT_REQUEST_UNKNOWN'],
    ['/v1', 404, 'WEFT_REQUEST_UNKNOWN'],
    ['/', 404, 'WEFT_REQUEST_UNKNOWN'],
  ])('%s', async (path, status, code) => {
    const api = await GatewayHarness.start()
    await api.say('a secret', { token: await api.peer.token({ tenant: 'rival' }) })
    const headers = { 'weft-tenant': 'rival', 'x-tenant': 'rival' }
    expect(await api.get(path, { headers })).toMatchObject({ status, body: { code } })
    expect((await api.get('/v1/contexts/w/log', { headers })).body).toMatchObject({ position: 0, total: 0 })
  })

  test('a method that there is not', async () => {
    const api = await GatewayHarness.start()
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect((await api.ask(method, '/v1/contexts/w/state')).status).toBe(404)
    }
  })
})

describe('the same tokens, the same laws', () => {
  test.each<[string, number, string, (api: GatewayHarness) => Promise<string> | string]>([
    ['none', 401, 'WEFT_TOKEN_INVALID', () => 'no.token.here'],
    ['one of another audience', 401, 'WEFT_TOKEN_AUDIENCE', api => api.peer.token({ audience: 'other' })],
    ['one that has expired', 401, 'WEFT_TOKEN_EXPIRED', api => api.peer.token({ lifetime: -10 })],
    ['one that may not read', 403, 'WEFT_SCOPE', api => api.peer.token({ scopes: ['write'] })],
    [
      'one for other workflows',
      403,
      'WEFT_WORKFLOW_FORBIDDEN',
      api => api.peer.token({ workflows: 'mine-*' }),
    ],
  ])('a token that is %s is refused as the peer refuses it', async (_, status, code, tokenOf) => {
    const api = await GatewayHarness.start()
    const token = await tokenOf(api)
    for (let time = 0; time < 2; time++) {
      expect(await api.get('/v1/contexts/w/state', { token })).toMatchObject({ status, body: { code } })
      expect(await api.say('x', { token })).toMatchObject({ status, body: { code } })
    }
    expect(await api.peer.ids()).toEqual([])
    expect((await api.say('others are served')).status).toBe(201)
  })

  test('a token that may only read writes nothing, and reads on', async () => {
    const api = await GatewayHarness.start()
    await api.say('one')
    const token = await api.peer.token({ scopes: ['read'] })
    const before = await api.peer.ids()
    for (let time = 0; time < 3; time++) {
      expect(await api.say('two', { token })).toMatchObject({ status: 403, body: { code: 'WEFT_SCOPE' } })
    }
    expect(await api.peer.ids()).toEqual(before)
    expect((await api.get('/v1/contexts/w/log', { token })).body).toMatchObject({ total: 1 })
  })

  test.each(['', 'Basic YTpi', 'Bearer', 'Bearer a b', 'bearer'])('%j is no token', async authorization => {
    const api = await GatewayHarness.start()
    const answer = await api.get('/v1/contexts/w/state', { headers: { authorization } })
    expect(answer).toMatchObject({ status: 401, body: { code: 'WEFT_TOKEN_MISSING' } })
  })
})

describe('[CHG-5] [DUR-1] a request that no peer could read costs nobody else anything', () => {
  const far = Array.from({ length: 10_000 }, (_, at) => at.toString(16).padStart(64, '0'))

  test.each<[string, number, string, object, Ask?]>([
    ['a head that is none', 400, 'WEFT_ID_INVALID', { expect: { heads: ['zz'] } }],
    ['a head twice', 400, 'WEFT_USAGE', { expect: { heads: [far[0], far[0]] } }],
    ['10,000 heads', 400, 'WEFT_USAGE', { expect: { heads: far } }],
    ['heads of a branch that can be none', 400, 'WEFT_ID_INVALID', { expect: { heads: { 'a b': [] } } }],
    ['a session that none can be', 400, 'WEFT_SESSION_INVALID', { after: 'x'.repeat(8_193) }],
    ['one in a header', 400, 'WEFT_SESSION_INVALID', {}, { headers: { 'weft-after': 'x'.repeat(8_193) } }],
    ['a token that none can be', 401, 'WEFT_TOKEN_INVALID', {}, { token: 'x'.repeat(8_193) }],
  ])('with %s', async (_, status, code, fields, ask = {}) => {
    const api = await GatewayHarness.start()
    await api.post('/v1/contexts/w/subscriptions/s', { agent: 'a', filter: { kinds: ['last'] } })
    const claiming = api.post('/v1/contexts/w/subscriptions/s/claims', { agent: 'a', wait_ms: 60_000 })
    const release = api.peer.gate.hold()
    const writing = [1, 2, 3].map(value => api.write({ entries: [{ kind: 'message', value }] }))
    expect(await api.write({ ...valid, ...fields }, ask)).toMatchObject({ status, body: { code } })
    release()
    for (const each of writing) expect((await each).status).toBe(201)
    expect((await api.write({ entries: [{ kind: 'last', value: 1 }] })).status).toBe(201)
    expect((await claiming).status).toBe(200)
    expect(await api.peer.metric('weft_connections_failed_total')).toBe(0)
  })
})
