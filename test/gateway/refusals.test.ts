import { describe, expect, test } from 'vitest'
import { gatewayScene } from '../support/gateway-harness.ts'

describe('[CHG-5] a change that is refused changes nothing', () => {
  const entries = [{ kind: 'message', value: { text: 'x' } }]
  test.each<[string, number, string, object]>([
    [
      'has a patch that applies by half',
      409,
      'WEFT_PATCH_REFUSED',
      {
        entries,
        patch: [
          { op: 'add', path: '/constraints/a', value: 1 },
          { op: 'remove', path: '/nothing' },
        ],
      },
    ],
    [
      'tests for what is not there',
      409,
      'WEFT_PATCH_REFUSED',
      { patch: [{ op: 'test', path: '/plan', value: [] }] },
    ],
    ['takes the whole state away', 409, 'WEFT_PATCH_REFUSED', { patch: [{ op: 'remove', path: '' }] }],
    [
      'makes the state a list',
      422,
      'WEFT_SCHEMA_REFUSED',
      { patch: [{ op: 'replace', path: '', value: [] }] },
    ],
    [
      'writes to a prototype',
      409,
      'WEFT_PATCH_REFUSED',
      {
        patch: [{ op: 'add', path: '/__proto__/polluted', value: 1 }],
      },
    ],
    [
      'writes a prototype',
      422,
      'WEFT_VALUE_NOT_JSON',
      { patch: [{ op: 'add', path: '/__proto__', value: {} }] },
    ],
    [
      'has a pointer that is none',
      400,
      'WEFT_POINTER_INVALID',
      {
        patch: [{ op: 'add', path: 'plan', value: 1 }],
      },
    ],
    ['has a kind of the engine', 400, 'WEFT_ID_INVALID', { entries: [{ kind: 'weft.effect', value: 1 }] }],
    ['has a kind that is no id', 400, 'WEFT_ID_INVALID', { entries: [{ kind: 'a b', value: 1 }] }],
    ['has an entry without a value', 400, 'WEFT_REQUEST_MALFORMED', { entries: [{ kind: 'message' }] }],
    [
      'has half a surrogate pair in the state',
      422,
      'WEFT_VALUE_NOT_JSON',
      {
        patch: [{ op: 'add', path: '/constraints/a', value: '\ud800' }],
      },
    ],
    ['has half a surrogate pair in its reason', 400, 'WEFT_LABEL_INVALID', { entries, reason: '\ud800' }],
    ['has half a surrogate pair in its step', 400, 'WEFT_LABEL_INVALID', { entries, step: '\udc00' }],
    [
      'was derived from half a surrogate pair',
      400,
      'WEFT_REF_INVALID',
      { entries, dependsOn: ['ext:\ud800'] },
    ],
    [
      'has an entry that was derived from half a surrogate pair',
      400,
      'WEFT_REF_INVALID',
      { entries: [{ ...entries[0], dependsOn: ['state:/\udc00'] }] },
    ],
    [
      'expects what is half a surrogate pair',
      400,
      'WEFT_REF_INVALID',
      { entries, expect: { unmoved: ['ext:\ud800'] } },
    ],
    ['is of an agent that is no id', 400, 'WEFT_ID_INVALID', { entries, agent: 'a:b' }],
    ['is on a branch that is not there', 404, 'WEFT_BRANCH_UNKNOWN', { entries, branch: 'nowhere' }],
    ['is on a branch of the engine’s own', 400, 'WEFT_ID_INVALID', { entries, branch: 'weft.abandoned' }],
    ['was derived from nothing', 400, 'WEFT_REF_INVALID', { entries, dependsOn: ['nothing'] }],
    [
      'was derived from an entry that is not there',
      422,
      'WEFT_ENTRY_UNKNOWN',
      {
        entries,
        dependsOn: [`entry:${'0'.repeat(64)}.0`],
      },
    ],
    ['has seen what is not there', 404, 'WEFT_CHANGE_UNKNOWN', { entries, seen: ['0'.repeat(64)] }],
    [
      'expects a writer at no pointer',
      400,
      'WEFT_POINTER_INVALID',
      { entries, expect: { writers: { a: null } } },
    ],
    ['expects what is no ref', 400, 'WEFT_REF_INVALID', { entries, expect: { unmoved: ['a'] } }],
    [
      'expects more of branches than the peer decides on at once',
      400,
      'WEFT_USAGE',
      {
        entries,
        expect: { heads: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`b${at}`, []])) },
      },
    ],
    [
      'expects more of refs than the peer decides on at once',
      400,
      'WEFT_USAGE',
      { entries, expect: { unmoved: Array.from({ length: 257 }, (_, at) => `state:/${at}`) } },
    ],
    ['has a reason without end', 400, 'WEFT_LABEL_INVALID', { entries, reason: 'x'.repeat(1_025) }],
    [
      'is of a schema that has no name',
      400,
      'WEFT_ID_INVALID',
      { entries, schema: { name: '', version: 1 } },
    ],
    ['is of version 0', 422, 'WEFT_SCHEMA_REFUSED', { entries, schema: { name: 'research', version: 0 } }],
    ['names an overlay that is none', 400, 'WEFT_ID_INVALID', { entries, overlays: { '': 1 } }],
    ['is empty', 400, 'WEFT_REQUEST_MALFORMED', { entries: [], patch: [] }],
    ['has what no change has', 400, 'WEFT_REQUEST_MALFORMED', { entries, tenant: 'rival' }],
    [
      'has an operation that is none',
      400,
      'WEFT_REQUEST_MALFORMED',
      { patch: [{ op: 'merge', path: '/a' }] },
    ],
    ['has a number for an agent', 400, 'WEFT_REQUEST_MALFORMED', { entries, agent: 7 }],
    [
      'is too large for a change',
      413,
      'WEFT_CHANGE_TOO_LARGE',
      {
        entries: [{ kind: 'message', value: 'x'.repeat(1_020_000) }],
      },
    ],
  ])('when it %s', async (_, status, code, change) => {
    const { api, context, peer } = await gatewayScene()
    const before = { ids: await peer.ids(), digest: context.digest() }
    const refused = await api.write(change)
    expect([refused.status, refused.body]).toMatchObject([status, { code }])
    expect({ ids: await peer.ids(), digest: context.digest() }).toEqual(before)
    expect({}).not.toHaveProperty('polluted')
    expect((await api.say('the gateway lives')).status).toBe(201)
  })

  test('and tells which operation of a patch it was', async () => {
    const { api } = await gatewayScene()
    const patch = [
      { op: 'add', path: '/a', value: 1 },
      { op: 'replace', path: '/b/c', value: 1 },
    ]
    expect((await api.write({ patch })).body).toMatchObject({
      details: { operation: 1, op: 'replace', path: '/b/c' },
    })
  })

  test('[HND-3] by somebody else’s lease', async () => {
    const { api, context, peer } = await gatewayScene()
    await context.lease()
    const before = await peer.ids()
    const refused = await api.say('not mine')
    expect([refused.status, refused.body]).toMatchObject([
      409,
      { code: 'WEFT_LEASE_HELD', details: { holder: 'planner' } },
    ])
    expect(await peer.ids()).toEqual(before)
  })

  test('[OVL-3] by an overlay that its author has missed', async () => {
    const { api, peer } = await gatewayScene()
    await api.post('/v1/overlays/house', { value: 'be warm' })
    const entries = [{ kind: 'message', value: { text: 'x' } }]
    expect((await api.write({ entries, overlays: { house: 1 } })).status).toBe(201)
    await api.post('/v1/overlays/house', { value: 'be plain' })
    const before = await peer.ids()
    const refused = await api.write({ entries, overlays: { house: 1 } })
    expect([refused.status, refused.body]).toMatchObject([
      409,
      { code: 'WEFT_OVERLAY_STALE', details: { overlays: [{ name: 'house', ran: 1, required: 2 }] } },
    ])
    expect(await peer.ids()).toEqual(before)
    expect((await api.write({ entries, overlays: { house: 2 } })).status).toBe(201)
  })
})
