import { join } from 'node:path'
import type { WeftError } from '@weft/core'
import { describe, expect, test } from 'vitest'
import { GatewayHarness } from '../support/gateway-harness.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'

const SCHEMAS = join(import.meta.dirname, '../support/gateway-schemas.mjs')
const HOUSE = '/v1/overlays/house'
/** A peer cannot know whom the one before it told, and waits so long for them. */
const LEASE_MS = 300

async function scene() {
  const peer = await PeerHarness.start({ limits: { overlay_lease_ms: LEASE_MS } })
  return GatewayHarness.start({}, peer)
}

describe('[OVL-1] an overlay over HTTP', () => {
  test('is versioned, with its history, and pushed to workers', async () => {
    const api = await scene()
    const worker = await api.peer.replica()
    const news = worker.overlays.watch()
    const first = news.next()
    const published = await api.post(HOUSE, { value: { tone: 'warm' }, agent: 'boss', reason: 'winter' })
    expect(published).toMatchObject({ status: 201, body: { name: 'house', version: 1, position: 1 } })
    expect((await first).value).toMatchObject({ name: 'house', version: 1, agent: 'boss' })
    await api.post(HOUSE, { value: { tone: 'plain' }, enforce: 'advisory' })
    await api.post('/v1/overlays/other', { value: null })
    const version2 = {
      name: 'house',
      version: 2,
      value: { tone: 'plain' },
      enforce: 'advisory',
      agent: 'publisher',
    }
    expect((await api.get(HOUSE)).body).toMatchObject(version2)
    const list = await api.get('/v1/overlays')
    expect(list.body).toMatchObject({ overlays: [version2, { name: 'other', value: null }] })
    expect((await api.get(`${HOUSE}/history`)).body).toMatchObject({
      versions: [{ version: 1, reason: 'winter', enforce: 'commit' }, { version: 2 }],
    })
    expect((await api.get('/v1/overlays/none/history')).body).toMatchObject({ versions: [] })
    expect(await api.get('/v1/overlays/none')).toMatchObject({ status: 404 })
  })

  test('[SES-1] is read by who published it, on any gateway', async () => {
    const api = await scene()
    const other = await api.another()
    for (let version = 1; version <= 5; version++) {
      const { session } = await api.post(HOUSE, { value: version })
      expect((await other.get(`${HOUSE}?after=${session}`)).body).toMatchObject({ version, value: version })
    }
  })

  test('is published after the version that is expected, or not at all', async () => {
    const api = await scene()
    expect((await api.post(HOUSE, { value: 1, expect: { version: 0 } })).status).toBe(201)
    const before = await api.peer.ids('@overlays')
    const late = await api.post(HOUSE, { value: 2, expect: { version: 0 } })
    expect(late).toMatchObject({
      status: 412,
      body: { code: 'WEFT_OVERLAY_VERSION', details: { name: 'house', current: 1 } },
    })
    expect(await api.peer.ids('@overlays')).toEqual(before)
    const racing = await Promise.all(
      Array.from({ length: 6 }, (_, value) => api.post(HOUSE, { value, expect: { version: 1 } })),
    )
    expect(racing.map(({ status }) => status).sort()).toEqual([201, 412, 412, 412, 412, 412])
  })

  test.each<[string, number, string, string, object]>([
    ['without a value', 400, 'WEFT_REQUEST_MALFORMED', HOUSE, {}],
    ['under a name that is none', 400, 'WEFT_ID_INVALID', '/v1/overlays/a%20b', { value: 1 }],
    ['under a name that every object has', 400, 'WEFT_ID_INVALID', '/v1/overlays/constructor', { value: 1 }],
    ['enforced in a way that there is not', 400, 'WEFT_REQUEST_MALFORMED', HOUSE, { value: 1, enforce: 'x' }],
    ['with a reason without end', 400, 'WEFT_LABEL_INVALID', HOUSE, { value: 1, reason: 'x'.repeat(1_025) }],
    ['by who is nobody', 400, 'WEFT_ID_INVALID', HOUSE, { value: 1, agent: 'a b' }],
  ])('is refused %s', async (_, status, code, path, body) => {
    const api = await scene()
    expect(await api.post(path, body)).toMatchObject({ status, body: { code } })
    expect(await api.peer.ids('@overlays')).toEqual([])
  })

  test('is refused by its schema, where the gateway has one', async () => {
    const api = await GatewayHarness.start({ schemas: SCHEMAS })
    const refused = await api.post(HOUSE, { value: { tone: 'loud' } })
    expect(refused).toMatchObject({ status: 422, body: { code: 'WEFT_SCHEMA_REFUSED' } })
    expect(refused.body).toMatchObject({ details: { issues: [{ pointer: '/tone' }] } })
    expect(await api.peer.ids('@overlays')).toEqual([])
    expect((await api.post(HOUSE, { value: { tone: 'warm' } })).status).toBe(201)
    expect((await api.post('/v1/overlays/free', { value: 'any' })).status).toBe(201)
  })

  test('takes an admin of all workflows to publish, and a reader of any to read', async () => {
    const api = await scene()
    await api.post(HOUSE, { value: 1 })
    const reader = await api.peer.token({ scopes: ['read'], workflows: 'mine-*' })
    expect((await api.get(HOUSE, { token: reader })).status).toBe(200)
    const writer = await api.peer.token()
    expect(await api.post(HOUSE, { value: 2 }, { token: writer })).toMatchObject({
      status: 403,
      body: { code: 'WEFT_SCOPE' },
    })
    const narrow = await api.peer.token({ scopes: ['read', 'write', 'admin'], workflows: 'mine-*' })
    expect(await api.post(HOUSE, { value: 2 }, { token: narrow })).toMatchObject({
      status: 403,
      body: { code: 'WEFT_WORKFLOW_FORBIDDEN' },
    })
    expect((await api.get(HOUSE)).body).toMatchObject({ version: 1 })
  })

  test('[TEN-1] is of the tenant of the token', async () => {
    const api = await scene()
    await api.post(HOUSE, { value: 'a secret' })
    const token = await api.peer.token({ tenant: 'rival', scopes: ['read', 'write', 'admin'] })
    expect((await api.get(HOUSE, { token })).status).toBe(404)
    expect((await api.post(HOUSE, { value: 'theirs' }, { token })).body).toMatchObject({ version: 1 })
    expect((await api.get(HOUSE)).body).toMatchObject({ value: 'a secret' })
  })
})

describe('[OVL-3] a barrier over HTTP', () => {
  test('is answered when no worker can begin or commit a step under an older version', async () => {
    const api = await scene()
    await api.post(HOUSE, { value: 1 })
    const worker = await api.peer.replica({ overlays: true })
    const context = await worker.open(Research, { workflow: 'w', agent: 'a' })
    const ended = context.step('old', async step => {
      expect(step.overlay('house')).toMatchObject({ version: 1 })
      const published = api.post(HOUSE, { value: 2, barrier: true })
      await new Promise(resolve => step.signal.addEventListener('abort', resolve))
      expect((await published).status).toBe(201)
      step.append('message', { text: 'too late' })
    })
    await expect(ended).rejects.toMatchObject({ code: 'WEFT_OVERLAY_STALE' })
    await context.step('new', step => expect(step.overlay('house')).toMatchObject({ version: 2 }))
    expect(context.entries()).toEqual([])
  })

  test('that cannot be reached says who holds it, and for how long at most; it stays published', async () => {
    const peer = await PeerHarness.start({ limits: { overlay_lease_ms: 60_000 } })
    const api = await GatewayHarness.start({}, peer)
    const refused = await api.post(HOUSE, { value: 1, barrier: true, wait_ms: 1 })
    expect(refused).toMatchObject({ status: 504, body: { code: 'WEFT_OVERLAY_BARRIER' } })
    const { details } = refused.body as unknown as WeftError
    expect(details).toMatchObject({ name: 'house', version: 1, position: 1, left_ms: expect.any(Number) })
    expect(details.holders).toHaveLength(1)
    expect((await api.get(HOUSE)).body).toMatchObject({ version: 1 })
  })
})

describe('[OVL-2] a window over HTTP', () => {
  const W = '/v1/contexts/w'
  const schema = { name: 'research', version: 2 }

  test('tells the overlays in force, as their definitions say, and what comes of it is refused under newer ones', async () => {
    const peer = await PeerHarness.start({ limits: { overlay_lease_ms: LEASE_MS } })
    const api = await GatewayHarness.start({ schemas: SCHEMAS }, peer)
    await api.post(HOUSE, { value: { tone: 'warm' } })
    await api.post('/v1/overlays/limits', { value: 'no refunds' })
    await api.post('/v1/overlays/weft.retention', { value: { keep_ms: 1 } })
    const { body } = await api.get(`${W}/window?budget=500`)
    expect(body.messages).toEqual([
      { role: 'system', content: 'speak in a warm tone' },
      { role: 'system', content: '[limits@1] no refunds' },
    ])
    expect(body).toMatchObject({ recipe: { overlays: { house: 1, limits: 1 } } })
    const silent = await api.get(`${W}/window?budget=500&overlays=false`)
    expect(silent.body.messages).toEqual([])
    const change = { agent: 'a', schema, entries: [{ kind: 'message', value: { text: 'said' } }] }
    const { recipe } = body as unknown as { recipe: { overlays: object } }
    const write = () => api.post(`${W}/changes`, { ...change, overlays: recipe.overlays })
    expect((await write()).status).toBe(201)
    await api.post(HOUSE, { value: { tone: 'plain' } })
    expect(await write()).toMatchObject({ status: 409, body: { code: 'WEFT_OVERLAY_STALE' } })
    const { body: past } = await api.get(`${W}/window?budget=500&at=1`)
    expect(past.messages).toEqual([])
  })
})
