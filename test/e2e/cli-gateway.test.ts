import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signToken } from '@weft/peer'
import { connect } from '@weft/replica'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Running, weftHere, weftJson } from '../support/cli-run.ts'
import { until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'

const SECRET = 'a secret of the tests, long enough'
const SCHEMAS = join(import.meta.dirname, '../support/gateway-schemas.mjs')

interface Answer {
  readonly status: number
  readonly body: { readonly [key: string]: unknown }
}

/** A peer for those who need no other than one that is up; each is a tenant of its own. */
let shared: Listening
let sharedFolder: string

beforeAll(async () => {
  sharedFolder = await mkdtemp(join(tmpdir(), 'weft-http-'))
  shared = await begun(['serve', '--data', join(sharedFolder, 'data'), '--port', '0'])
})

afterAll(async () => {
  await shared.running.end('SIGKILL')
  await rm(sharedFolder, { recursive: true, force: true })
})

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-http-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Listening {
  readonly running: Running
  readonly url: string
  readonly base: string
  readonly token?: string
}

/** A command that listens; what it says of itself comes first. */
async function begun(args: readonly string[]): Promise<Listening> {
  const running = new Running([...args, '--json'], {
    env: { WEFT_SECRET: SECRET, WEFT_LOG_LEVEL: 'error' },
  })
  const said = JSON.parse(await running.line()) as { url: string; port: number; token?: string }
  return { running, ...said, base: `http://127.0.0.1:${said.port}` }
}

/** As `begun`, and ended with the test. */
async function listening(args: readonly string[]): Promise<Listening> {
  const each = await begun(args)
  onTestFinished(async () => void (await each.running.end('SIGKILL')))
  return each
}

const serve = (data: string, ...args: string[]) =>
  listening(['serve', '--data', data, '--port', '0', ...args])

const tokenOf = (tenant = 'acme') =>
  signToken(SECRET, { tenant, scopes: ['read', 'write', 'admin'], lifetime: 600 })

async function ask(base: string, token: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${base}${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: JSON.parse(text || '{}') as Answer['body'] }
}

const change = (kind: string, value: unknown, name = 'research') => ({
  agent: 'a',
  schema: { name, version: 1 },
  entries: [{ kind, value }],
})

const WRITE = '/v1/contexts/w/changes'

describe('the HTTP API of `weft serve`', () => {
  test('is begun again when it dies, and the peer goes on meanwhile', async () => {
    const { base, url } = await serve(join(await folderOf(), 'data'), '--schemas', SCHEMAS)
    const token = await tokenOf()
    expect((await ask(base, token, WRITE, change('order', 'live', 'fatal'))).status).toBe(201)
    const killed = await ask(base, token, WRITE, change('order', 'die', 'fatal'))
    expect(killed).toMatchObject({ status: 503, body: { code: 'WEFT_GATEWAY_DOWN' } })
    const replica = await connect({ url, token })
    await replica.close()
    await until(async () => (await ask(base, token, '/v1/contexts/w/log')).status === 200, 'it is up again')
    expect((await ask(base, token, '/v1/contexts/w/log')).body).toMatchObject({ total: 1 })
    const refused = await ask(base, token, WRITE, change('other', 1, 'fatal'))
    expect(refused).toMatchObject({ status: 422, body: { code: 'WEFT_KIND_UNKNOWN' } })
  })

  test('[DUR-1] loses nothing that it has answered when a SIGTERM comes while writes are under way', async () => {
    const data = join(await folderOf(), 'data')
    const first = await serve(data)
    const token = await tokenOf()
    const answered: string[] = []
    let refused = 0
    const write = async (): Promise<void> => {
      for (;;) {
        const answer = await ask(first.base, token, WRITE, change('message', { text: 'x' })).catch(
          () => undefined,
        )
        if (answer?.status !== 201) {
          refused++
          return
        }
        answered.push(answer.body.change as string)
      }
    }
    const writing = Promise.all(Array.from({ length: 8 }, write))
    await until(() => answered.length > 20, 'some are answered')
    const { code, stdout } = await first.running.end('SIGTERM')
    await writing
    expect([code, stdout]).toEqual([0, expect.stringContaining('"drained","unacked":0')])
    expect(refused).toBe(8)
    const second = await serve(data)
    const env = { WEFT_URL: second.url, WEFT_TOKEN: token }
    const log = await weftHere(['log', 'w', '--json'], { env })
    const durable = log.stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => (JSON.parse(line) as { change: string }).change)
    expect(durable).toEqual(expect.arrayContaining(answered))
  })

  test('does not begin with definitions that cannot be read', async () => {
    const folder = await folderOf()
    const args = ['serve', '--data', join(folder, 'data'), '--port', '0', '--schemas', 'nowhere.mjs']
    const { code, stderr, stdout } = await weftHere(args, { env: { WEFT_SECRET: SECRET }, cwd: folder })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('WEFT_FILE_INVALID')
  })
})

test('`weft dev` has the HTTP API too', async () => {
  const { base, token } = await listening(['dev', '--port', '0'])
  expect(await ask(base, token!, WRITE, change('message', 1))).toMatchObject({ status: 201 })
})

describe('`weft gateway`', () => {
  test('is the API of a peer that runs elsewhere; [WAK-1] a claim outlives its kill', async () => {
    const peer = shared
    const token = await tokenOf('elsewhere')
    const gateway = await listening(['gateway', '--url', peer.url, '--port', '0'])
    await ask(gateway.base, token, WRITE, change('message', 1))
    const pool = '/v1/contexts/w/subscriptions/pool'
    await ask(gateway.base, token, pool, { agent: 'c' })
    const claimed = await ask(gateway.base, token, `${pool}/claims`, { agent: 'c' })
    await gateway.running.end('SIGKILL')
    const acked = await ask(peer.base, token, `${pool}/claims/${claimed.body.id}/ack`, { agent: 'c' })
    expect(acked.status).toBe(204)
    const again = await listening(['gateway', '--url', peer.url, '--port', '0', '--schemas', SCHEMAS])
    expect((await ask(again.base, token, pool)).body).toMatchObject({ acknowledged: claimed.body.to })
    const { code, stdout } = await again.running.end('SIGTERM')
    expect([code, stdout]).toEqual([0, expect.stringContaining('"closed"')])
  })

  test('is there before its peer is, and says meanwhile that it cannot be reached', async () => {
    const gateway = await listening(['gateway', '--url', 'ws://127.0.0.1:9', '--port', '0'])
    expect((await fetch(`${gateway.base}/v1/openapi.json`)).status).toBe(200)
    expect(await ask(gateway.base, await tokenOf(), '/v1/overlays')).toMatchObject({
      status: 503,
      body: { code: 'WEFT_PEER_UNREACHABLE' },
    })
  })

  test.each([
    ['a port', ['--port', '70000'], 2, 'WEFT_USAGE'],
    ['an address', ['--url', 'http://x'], 2, 'WEFT_USAGE'],
    ['definitions', ['--schemas', 'nowhere.mjs'], 1, 'WEFT_FILE_INVALID'],
  ])('refuses %s that it cannot use', async (_, args, expected, code) => {
    const finished = await weftHere(['gateway', '--port', '0', ...args])
    expect([finished.code, finished.stderr]).toEqual([expected, expect.stringContaining(code)])
  })
})

test('what the API has written is like anything that a replica writes', async () => {
  const { base, url } = shared
  const token = await tokenOf('alike')
  const { body } = await ask(base, token, WRITE, { ...change('message', { text: 'x' }), reason: 'because' })
  const shown = await weftJson<object>(['show', 'w', String(body.change)], {
    env: { WEFT_URL: url, WEFT_TOKEN: token },
  })
  expect(shown).toMatchObject({ agent: 'a', reason: 'because' })
})

// Last, for a barrier waits for whoever may have known the peer before it began: by now nobody does any more.
test('the HTTP API of `weft serve` writes, reads, claims and publishes through the port of the peer', async () => {
  const { base, url } = shared
  const token = await tokenOf()
  const document = await (await fetch(`${base}/v1/openapi.json`)).json()
  expect(document).toMatchObject({ openapi: '3.1.0' })
  const written = await ask(base, token, WRITE, change('message', { text: 'by HTTP' }))
  expect(written.status).toBe(201)
  const replica = await connect({ url, token })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Research, {
    workflow: 'w',
    agent: 'b',
    after: written.body.session as string,
  })
  await context.append('message', { text: 'by a replica' }).committed
  const log = await ask(base, token, `/v1/contexts/w/log?after=${await context.token()}`)
  expect(log.body.entries).toMatchObject([
    { value: { text: 'by HTTP' } },
    { value: { text: 'by a replica' } },
  ])
  const pool = '/v1/contexts/w/subscriptions/pool'
  expect((await ask(base, token, pool, { agent: 'c' })).status).toBe(200)
  const claimed = await ask(base, token, `${pool}/claims`, { agent: 'c' })
  expect(claimed.body.events).toHaveLength(2)
  expect((await ask(base, token, `${pool}/claims/${claimed.body.id}/ack`, { agent: 'c' })).status).toBe(204)
  const published = await ask(base, token, '/v1/overlays/house', { value: 'be brief', barrier: true })
  expect(published).toMatchObject({ status: 201, body: { version: 1 } })
  expect((await ask(base, await tokenOf('rival'), '/v1/contexts/w/log')).body).toMatchObject({ total: 0 })
  expect((await ask(base, 'none', '/v1/contexts/w/log')).status).toBe(401)
})
