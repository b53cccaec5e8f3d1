import { describe, expect, test } from 'vitest'
import { gatewayScene } from '../support/gateway-harness.ts'
import { textsOf } from '../support/replica-contexts.ts'

describe('a change', () => {
  test('[DUR-1] of entries and a patch is one, is in the log when it is answered, and is seen by replicas', async () => {
    const { api, context, peer, after } = await gatewayScene()
    const { status, body } = await api.write(
      {
        entries: [
          { kind: 'message', value: { text: 'one' } },
          { kind: 'decision', value: { choice: 'a', weight: 2 }, dependsOn: ['ext:doc/17@v3'] },
        ],
        patch: [
          { op: 'add', path: '/plan/-', value: 'compare' },
          { op: 'add', path: '/constraints/format', value: 'json' },
        ],
        reason: 'because',
        step: 'choose',
        trace: '00-1-2-01',
      },
      { headers: { 'weft-after': after } },
    )
    expect(status).toBe(201)
    expect(await peer.ids()).toContain(body.change)
    expect((await peer.ids()).indexOf(body.change)).toBe(body.position - 1)
    expect(body).toMatchObject({
      workflow: 'w',
      branch: 'main',
      heads: [body.change],
      entries: [`${body.change}.0`, `${body.change}.1`],
    })
    await context.reach((body as unknown as { session: string }).session)
    expect(textsOf(context)).toEqual(['begin', 'one'])
    expect(context.state).toEqual({ plan: ['begin', 'compare'], constraints: { format: 'json' } })
    const { header } = context.changes().find(({ id }) => id === body.change)!
    expect(header).toMatchObject({
      agent: 'a',
      notes: { reason: 'because', step: 'choose', trace: '00-1-2-01' },
    })
    expect(header.reads).toEqual([{ ref: 'ext:doc/17', version: 'v3', entry: 1 }])
  })

  test('goes to the branch that it names, and to no other', async () => {
    const { api, context } = await gatewayScene()
    await context.fork('aside').append('message', { text: 'aside' }).committed
    const after = await context.token()
    const { body } = await api.write({
      branch: 'aside',
      entries: [{ kind: 'message', value: { text: 'here' } }],
      after,
    })
    expect(body).toMatchObject({ branch: 'aside' })
    expect((await api.get('/v1/contexts/w/log')).body.entries).toHaveLength(1)
    expect((await api.get('/v1/contexts/w/log?branch=aside')).body.entries).toHaveLength(3)
  })

  test('that changes nothing is none', async () => {
    const { api, peer, after } = await gatewayScene()
    const before = await peer.ids()
    const { status, body } = await api.write({
      patch: [{ op: 'replace', path: '/plan', value: ['begin'] }],
      after,
    })
    expect([status, body]).toMatchObject([200, { change: null, entries: [] }])
    expect(await peer.ids()).toEqual(before)
  })

  test('[STP-1] [STL-3] on what its author had seen is concurrent to what came since, and says what it missed', async () => {
    const { api, context, after } = await gatewayScene()
    const seen = (await api.get(`/v1/contexts/w/state?after=${after}`)).body.heads
    await context.change(state => {
      state.constraints.format = 'text'
    }).committed
    const patch = [{ op: 'add', path: '/constraints/format', value: 'json' }]
    const { body } = await api.write({
      seen,
      patch,
      entries: [{ kind: 'message', value: { text: 'json it is' } }],
      dependsOn: ['state:/constraints/format'],
      after: await context.token(),
    })
    expect(body.heads).toHaveLength(2)
    const state = await api.get('/v1/contexts/w/state')
    expect(state.body.conflicts).toMatchObject([{ pointer: '/constraints/format' }])
    await context.reach(state.session!)
    expect(context.stale()).toMatchObject([{ causes: [{ kind: 'stale-read' }] }])
  })

  test('[STL-1] was derived from what its patch reads, and not from what it overwrites', async () => {
    const { api, context, after } = await gatewayScene()
    const { body, session } = await api.write({
      patch: [
        { op: 'test', path: '/plan/0', value: 'begin' },
        { op: 'copy', from: '/plan', path: '/constraints/plan' },
        { op: 'replace', path: '/constraints/plan', value: 1 },
      ],
      after,
    })
    await context.reach(session!)
    const { header } = context.changes().find(({ id }) => id === body.change)!
    expect(header.reads.map(({ ref }) => ref)).toEqual(['state:/plan/0', 'state:/plan'])
  })

  test('[DUR-1] by many at once is all there, each once', async () => {
    const { api, peer } = await gatewayScene()
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => api.say(`number ${at}`)))
    const ids = answers.map(({ body }) => body.change)
    expect(answers.every(({ status }) => status === 201)).toBe(true)
    expect(new Set(ids).size).toBe(40)
    expect(await peer.ids()).toEqual(expect.arrayContaining(ids))
  })
})

describe('[DUR-6] a change on condition', () => {
  test('is taken while what it expects holds, and refused with what it would have needed', async () => {
    const { api, context, peer, after } = await gatewayScene()
    const read = await api.get(`/v1/contexts/w/state?pointer=/constraints&after=${after}`)
    const { heads, writers } = read.body
    const taken = await api.write({
      patch: [{ op: 'add', path: '/constraints/a', value: 1 }],
      expect: { heads, writers: { '/constraints': writers }, unmoved: ['ext:doc/17'] },
    })
    expect(taken.status).toBe(201)
    const before = await peer.ids()
    const patch = [{ op: 'add', path: '/constraints/b', value: 1 }]
    const otherHeads = await api.write({ patch, expect: { heads } })
    expect([otherHeads.status, otherHeads.body]).toMatchObject([
      412,
      { code: 'WEFT_PRECONDITION', details: { heads: [{ branch: 'main', heads: [taken.body.change] }] } },
    ])
    const otherWriters = await api.write({ patch, expect: { writers: { '/constraints': writers } } })
    expect([otherWriters.status, otherWriters.body]).toMatchObject([
      412,
      { details: { moved: [{ change: taken.body.change }] } },
    ])
    const named = await api.write({ patch, expect: { heads: { main: [], other: [] } } })
    expect(named.status).toBe(412)
    expect(await peer.ids()).toEqual(before)
    const once = await api.write({ patch, expect: { writers: { '/never': null } } })
    expect(once.status).toBe(201)
    await context.reach(once.session!)
    expect(context.state.constraints).toEqual({ a: 1, b: 1 })
  })

  test('is held against what came beside what its author had seen', async () => {
    const { api, context, peer, after } = await gatewayScene()
    const seen = (await api.get(`/v1/contexts/w/state?after=${after}`)).body.heads
    await context.change(state => {
      state.constraints.format = 'text'
    }).committed
    const before = await peer.ids()
    const late = await api.write({
      seen,
      patch: [{ op: 'add', path: '/constraints/other', value: 1 }],
      expect: { unmoved: ['state:/constraints/format'] },
    })
    expect([late.status, late.body]).toMatchObject([
      412,
      { details: { moved: [{ ref: 'state:/constraints/format' }] } },
    ])
    // A test of a patch is one of the state at the commit, and not only of what its author saw.
    const tested = await api.write({
      seen,
      patch: [
        { op: 'test', path: '/constraints', value: {} },
        { op: 'add', path: '/constraints/other', value: 1 },
      ],
    })
    expect([tested.status, tested.body]).toMatchObject([412, { code: 'WEFT_PRECONDITION' }])
    expect(await peer.ids()).toEqual(before)
  })

  test('of ten that expect the same is taken once', async () => {
    const { api, context, after } = await gatewayScene()
    const gateways = [api, await api.another()]
    const { heads } = (await api.get(`/v1/contexts/w/state?after=${after}`)).body
    await gateways[1]!.get(`/v1/contexts/w/state?after=${after}`)
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        gateways[at % 2]!.write({
          patch: [{ op: 'add', path: '/constraints/winner', value: `${at}` }],
          seen: heads,
          expect: { heads },
        }),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(412)])
    const winner = answers.findIndex(({ status }) => status === 201)
    await context.reach(answers[winner]!.session!)
    expect(context.state.constraints).toEqual({ winner: `${winner}` })
  })
})
