import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGateway } from '@weft/gateway'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GatewayHarness, gatewayScene } from '../support/gateway-harness.ts'

const SCHEMAS = join(import.meta.dirname, '../support/gateway-schemas.mjs')

describe('[HND-2] a change', () => {
  test.each([
    ['another definition', { name: 'other', version: 1 }],
    ['a newer version than the branch is at', { name: 'research', version: 2 }],
  ])('by %s is refused by name and version', async (_, schema) => {
    const { api, peer, after } = await gatewayScene()
    const before = await peer.ids()
    const { status, body } = await api.write({
      schema,
      entries: [{ kind: 'message', value: { text: 'x' } }],
      after,
    })
    expect([status, body]).toMatchObject([409, { code: 'WEFT_SCHEMA_UNKNOWN', details: { version: 1 } }])
    expect(await peer.ids()).toEqual(before)
  })

  test('by an older version is refused once a newer worker has migrated the branch', async () => {
    const { api, context, peer, after } = await gatewayScene()
    expect((await api.say('still at 1', { headers: { 'weft-after': after } })).status).toBe(201)
    const newer = await GatewayHarness.start({ schemas: SCHEMAS }, peer)
    const migrated = await newer.write({
      schema: { name: 'research', version: 2 },
      entries: [{ kind: 'message', value: { text: 'at 2' } }],
    })
    expect(migrated.status).toBe(201)
    await context.reach(migrated.session!).catch(() => {})
    const late = await api.say('late', { headers: { 'weft-after': migrated.session! } })
    expect([late.status, late.body]).toMatchObject([
      409,
      { code: 'WEFT_SCHEMA_UNKNOWN', details: { name: 'research', version: 2 } },
    ])
  })

  test('begins a context under the schema that it names', async () => {
    const api = await GatewayHarness.start()
    expect((await api.say('first')).status).toBe(201)
    const other = await api.write({
      schema: { name: 'other', version: 1 },
      patch: [{ op: 'add', path: '/a', value: 1 }],
    })
    expect(other.body).toMatchObject({
      code: 'WEFT_SCHEMA_UNKNOWN',
      details: { name: 'research', version: 1 },
    })
  })
})

describe('a gateway with definitions', () => {
  const by2 = { schema: { name: 'research', version: 2 } }

  test('holds entries and the state against them, and begins a context as they do', async () => {
    const api = await GatewayHarness.start({ schemas: SCHEMAS })
    const good = await api.write({
      ...by2,
      entries: [{ kind: 'message', value: { text: 'x' } }],
      patch: [{ op: 'add', path: '/plan/-', value: 'compare' }],
    })
    expect(good.status).toBe(201)
    expect((await api.get('/v1/contexts/w/state')).body).toMatchObject({
      state: { plan: ['begin', 'compare'], constraints: {} },
    })
    const before = await api.peer.ids()
    const refused: [object, number, string][] = [
      [{ entries: [{ kind: 'message', value: { text: '' } }] }, 422, 'WEFT_SCHEMA_REFUSED'],
      [{ entries: [{ kind: 'other', value: {} }] }, 422, 'WEFT_KIND_UNKNOWN'],
      [{ patch: [{ op: 'replace', path: '/plan', value: 'text' }] }, 422, 'WEFT_SCHEMA_REFUSED'],
      [
        { schema: { name: 'research', version: 3 }, entries: [{ kind: 'message', value: {} }] },
        409,
        'WEFT_SCHEMA_UNKNOWN',
      ],
      [
        { schema: { name: 'other', version: 1 }, entries: [{ kind: 'message', value: {} }] },
        409,
        'WEFT_SCHEMA_UNKNOWN',
      ],
    ]
    for (const [change, status, code] of refused) {
      const answer = await api.write({ ...by2, ...change })
      expect([answer.status, answer.body]).toMatchObject([status, { code }])
    }
    expect(await api.peer.ids()).toEqual(before)
  })

  test('[HND-2] migrates what is older when it is written to, and only shows it when it is read', async () => {
    const peer = (await gatewayScene()).peer
    const api = await GatewayHarness.start({ schemas: SCHEMAS }, peer)
    const before = await peer.ids()
    const read = await api.get('/v1/contexts/w/state?schema=research@2')
    expect(read.body).toMatchObject({ state: { plan: ['begin'], constraints: {} } })
    expect(await peer.ids()).toEqual(before)
    const written = await api.write({ ...by2, patch: [{ op: 'add', path: '/plan/-', value: 'x' }] })
    expect(written.status).toBe(201)
    expect((await peer.ids()).length).toBe(before.length + 2)
  })

  test('tells a model of entries as they do', async () => {
    const api = await GatewayHarness.start({ schemas: SCHEMAS })
    await api.write({ ...by2, entries: [{ kind: 'note', value: { text: 'be brief' } }] })
    const by = await api.get('/v1/contexts/w/window?budget=100&schema=research@2')
    expect(by.body).toMatchObject({
      messages: [{ role: 'system', content: 'note: be brief' }],
      included: [{ tier: 'pinned' }],
    })
    const without = await api.get('/v1/contexts/w/window?budget=100')
    expect(without.body).toMatchObject({ messages: [{ role: 'user', content: '[note] be brief' }] })
  })

  test.each([
    ['that is not there', undefined],
    ['without a definition', 'export const answer = 42'],
    ['that throws', 'throw new Error("no")'],
  ])('does not begin with a module %s', async (_, text) => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-gateway-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const schemas = join(folder, 'schemas.mjs')
    if (text !== undefined) await writeFile(schemas, text)
    const starting = startGateway({ url: 'ws://127.0.0.1:9', port: 0, schemas })
    await expect(starting).rejects.toMatchObject({ code: 'WEFT_FILE_INVALID' })
  })
})

test.each(['nonsense', 'http://127.0.0.1:7600', 'ws://'])('a gateway to %s does not begin', async url => {
  await expect(startGateway({ url, port: 0 })).rejects.toMatchObject({ code: 'WEFT_USAGE' })
})
