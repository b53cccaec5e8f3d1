import { expect, test } from 'vitest'
import { branchScene, schema, verbsOf, W } from '../support/branch-verbs.ts'
import type { Answer, GatewayHarness } from '../support/gateway-harness.ts'
import { until } from '../support/peer-until.ts'
import { type Opened, Research } from '../support/replica-contexts.ts'

/** What two branches write that disagree, and that depend on what the other one writes. */
const WORK = {
  zeta: { entries: [{ kind: 'message', value: { text: 'z' }, dependsOn: ['state:/constraints/format'] }] },
  alpha: {
    entries: [{ kind: 'decision', value: { choice: 'a', weight: 1 } }],
    patch: [{ op: 'add', path: '/constraints/format', value: 'json' }],
  },
} as const

/** A report without what is random in it: entries and changes by what they say. */
function factsOf(report: object, context: Opened) {
  const said = new Map(context.entries().map(({ id, value }) => [id as string, JSON.stringify(value)]))
  const { order, merged, conflicts, staleReads } = JSON.parse(JSON.stringify(report))
  return {
    order: order.map((id: string) => said.get(id)),
    merged: merged.map((each: { entries: string[]; heads: string[] }) => ({
      ...each,
      heads: each.heads.length,
      entries: each.entries.map(id => said.get(id)),
    })),
    conflicts: conflicts.map(
      ({ pointer, winner, values }: { pointer: string; winner: unknown; values: object[] }) => ({
        pointer,
        // Of equal writes the actors' random ids decide.
        winner: typeof winner,
        values: values.map(each => ({ ...each, change: 0, actor: 0, time: 0 })),
      }),
    ),
    staleReads: staleReads.map(
      ({ entry, branch, causes }: { entry: string; branch: string; causes: object[] }) => ({
        entry: said.get(entry),
        branch,
        causes: causes.map(each => ({ ...each, change: 0 })),
      }),
    ),
  }
}

test('[MRG-1] [MRG-2] [MRG-3] [ORD-2] a fan-out by HTTP alone is that of a replica, and so is its report', async () => {
  const { api, context, fork, merge, put } = await branchScene()
  const names = ['zeta', 'alpha'] as const
  const forked = await fork(names)
  expect(forked).toMatchObject({
    status: 201,
    body: { branches: names.map(name => ({ name, state: 'empty', heads: forked.body.heads })) },
  })
  for (const name of [...names].reverse()) {
    expect((await api.write({ agent: name, branch: name, ...WORK[name] })).status).toBe(201)
    expect((await put(name, name, { agent: name })).status).toBe(201)
  }
  const merged = await merge(names)
  expect(merged).toMatchObject({ status: 201, body: { next: null, totals: { order: 2, conflicts: 1 } } })
  await context.reach(merged.session!)
  const own = context.mergeReport(merged.body.change)
  expect(merged.body).toMatchObject(JSON.parse(JSON.stringify(own)))

  const replica = await api.peer.replica()
  const other = await replica.open(Research, { workflow: 'other', agent: 'a' })
  other.append('message', { text: 'begin' })
  for (const name of names) other.fork(name)
  for (const name of [...names].reverse()) {
    const branch = await replica.open(Research, { workflow: 'other', agent: name, branch: name })
    branch.write(draft => {
      for (const { kind, value, ...options } of WORK[name].entries)
        draft.append(kind as never, value as never, options)
      if (name === 'alpha') draft.change(state => void Object.assign(state.constraints, { format: 'json' }))
    })
    branch.change(state => void Object.assign(state.constraints, { by: name }))
  }
  const report = other.merge(...names)
  expect(factsOf(merged.body, context)).toEqual(factsOf(report, other))
  expect(factsOf(merged.body, context)).toMatchObject({
    order: ['{"text":"z"}', '{"choice":"a","weight":1}'],
    staleReads: [{ branch: 'zeta', causes: [{ kind: 'stale-read' }] }],
  })
})

test('[MRG-3] a report that is long comes in pages, which hold all of it and say where the next one is', async () => {
  const { api, fork, merge } = await branchScene()
  const small = await api.another({ limits: { page_bytes_max: 300 } })
  await fork(['x', 'y'])
  const entries = Array.from({ length: 4 }, (_, at) => ({ kind: 'message', value: { text: `${at}` } }))
  const written = []
  for (const branch of ['x', 'y']) written.push(await api.write({ agent: branch, branch, entries }))
  const whole = await merge(['x', 'y'])
  const again = await verbsOf(small).merge(['x', 'y'], { after: whole.session })
  expect([again.status, again.body.change]).toEqual([200, whole.body.change])
  const pages = [again]
  for (let { next } = again.body; next !== null; next = pages.at(-1)!.body.next) {
    pages.push(await small.get(next))
  }
  expect(pages.length).toBeGreaterThan(2)
  expect(pages.flatMap(({ body }) => body.order)).toEqual(whole.body.order)
  const broughtBy = (at: number) => pages.flatMap(({ body }) => body.merged[at]!.entries)
  expect([broughtBy(0), broughtBy(1)]).toEqual(written.map(({ body }) => body.entries))
  for (const { body } of pages)
    expect(body).toMatchObject({ totals: { order: 8, conflicts: 0, staleReads: 0 } })
  const { body } = await api.get(`${W}/merges/${whole.body.change}?limit=3&offset=6`)
  expect(body).toMatchObject({ order: whole.body.order.slice(6), offset: 6, next: null, branch: 'main' })
  expect((await api.get(`${W}/merges/${written[0]!.body.change}`)).body.code).toBe('WEFT_CHANGE_UNKNOWN')
})

test('branches are listed as they stand, page by page', async () => {
  const { api, context, fork, merge, abandon, put, states } = await branchScene()
  await fork(['kept', 'lost', 'over', 'idle'])
  for (const name of ['kept', 'lost', 'over']) await put(name, name)
  await merge(['kept'])
  await abandon({ branches: ['lost'], reason: 'the first one won' })
  expect(await states()).toEqual({
    main: 'open',
    kept: 'merged',
    lost: 'abandoned',
    over: 'open',
    idle: 'empty',
  })
  const first = await api.get(`${W}/branches?limit=2`)
  expect(first.body).toMatchObject({ total: 5, branches: [{ name: 'main' }, { name: 'kept' }] })
  await context.reach(first.session!)
  expect(first.body.branches).toMatchObject([{ heads: context.heads }, {}])
  const second = await api.get(first.body.next!)
  expect(second.body).toMatchObject({ offset: 2, branches: [{ name: 'lost' }, { name: 'over' }] })
})

test('[MRG-2] what is abandoned stays to be read, is not ended twice, and goes on when it is written to', async () => {
  const { api, context, fork, abandon, put, states } = await branchScene()
  await fork(['one', 'two', 'idle'])
  for (const name of ['one', 'two']) await put(name, name)
  const ended = await abandon({ unmerged: true, reason: 'late' })
  expect([ended.status, ended.body.branches]).toEqual([201, ['one', 'two']])
  const before = await api.peer.ids()
  expect(before).toEqual(expect.arrayContaining([...ended.body.changes]))
  for (const more of [{ unmerged: true }, { branches: ['two', 'one'] }]) {
    expect(await abandon(more)).toMatchObject({ status: 200, body: { branches: [], changes: [] } })
  }
  expect(await api.peer.ids()).toEqual(before)
  expect((await api.get(`${W}/state?branch=one&pointer=/constraints/by`)).body).toMatchObject({
    state: 'one',
  })
  await put('one', 'again')
  expect(await states()).toMatchObject({ one: 'open', two: 'abandoned', idle: 'empty' })
  await context.reach(ended.session!)
  expect(context.changes().find(({ id }) => id === ended.body.changes[0])!.header.notes.reason).toBe('late')
})

test('a fork begins where it is told to, and is its own only if it is told the same', async () => {
  const { api, fork, after } = await branchScene()
  const { heads, position } = (await api.get(`${W}/log?after=${after}`)).body
  await api.say('later')
  const log = async (branch: string) => (await api.get(`${W}/log?branch=${branch}`)).body.entries
  for (const [name, at] of [
    ['by-heads', heads],
    ['by-position', position],
  ] as const) {
    expect((await fork([name], { at })).status).toBe(201)
    expect(await log(name)).toHaveLength(1)
    expect((await fork([name], { at })).status).toBe(200)
  }
  expect(await fork(['by-heads'], { at: 1 })).toMatchObject({
    status: 409,
    body: { code: 'WEFT_BRANCH_EXISTS' },
  })
  await api.write({ branch: 'by-heads', entries: [{ kind: 'message', value: { text: 'aside' } }] })
  const [aside] = (await api.get(`${W}/state?branch=by-heads`)).body.heads
  // Else the fork would bring what is there into the branch that it is forked from.
  expect(await fork(['x'], { at: [aside] })).toMatchObject({
    status: 404,
    body: { code: 'WEFT_CHANGE_UNKNOWN' },
  })
})

test('[CHG-5] what is refused changes nothing', async () => {
  const { api, fork, merge, abandon, resolve, put } = await branchScene()
  await fork(['here'])
  await put('here', 'here')
  const many = Array.from({ length: 17 }, (_, at) => `b${at}`)
  const engine = 'weft.abandoned'
  const refused: [number, string, () => Promise<Answer>][] = [
    [409, 'WEFT_BRANCH_EXISTS', () => fork(['new', 'here'])],
    [409, 'WEFT_BRANCH_EXISTS', () => fork(['here'], { agent: 'b' })],
    [409, 'WEFT_BRANCH_EXISTS', () => fork(['main'])],
    [400, 'WEFT_ID_INVALID', () => fork(['new', engine])],
    [400, 'WEFT_ID_INVALID', () => fork(['a/b'])],
    [400, 'WEFT_ID_INVALID', () => fork(['new'], { branch: engine })],
    [404, 'WEFT_BRANCH_UNKNOWN', () => fork(['new'], { branch: 'nowhere' })],
    [416, 'WEFT_POSITION_UNKNOWN', () => fork(['new'], { at: 99 })],
    [409, 'WEFT_SCHEMA_UNKNOWN', () => fork(['new'], { schema: { name: 'other', version: 1 } })],
    [400, 'WEFT_LABEL_INVALID', () => fork(['new'], { reason: 'x'.repeat(1_025) })],
    [400, 'WEFT_REQUEST_MALFORMED', () => fork(['new'], { tenant: 'rival' })],
    [404, 'WEFT_BRANCH_UNKNOWN', () => merge(['here', 'nowhere'])],
    [400, 'WEFT_ID_INVALID', () => merge(['here', engine])],
    [400, 'WEFT_ID_INVALID', () => merge(['here'], { branch: engine })],
    [409, 'WEFT_SCHEMA_UNKNOWN', () => merge(['here'], { schema: { name: 'other', version: 1 } })],
    [404, 'WEFT_BRANCH_UNKNOWN', () => merge(['here'], { branch: 'nowhere' })],
    [404, 'WEFT_BRANCH_UNKNOWN', () => abandon({ branches: ['here', 'nowhere'] })],
    [400, 'WEFT_ID_INVALID', () => abandon({ branches: ['here', 'main'] })],
    [400, 'WEFT_ID_INVALID', () => abandon({ branches: [engine] })],
    [400, 'WEFT_REQUEST_MALFORMED', () => abandon({})],
    [400, 'WEFT_REQUEST_MALFORMED', () => abandon({ branches: ['here'], unmerged: true })],
    [400, 'WEFT_REQUEST_MALFORMED', () => abandon({ unmerged: false })],
    [404, 'WEFT_CONFLICT_UNKNOWN', () => resolve('/constraints/by', 'here')],
    [400, 'WEFT_POINTER_INVALID', () => resolve('constraints', 1)],
    [404, 'WEFT_CHANGE_UNKNOWN', () => resolve('/plan', 1, { seen: ['0'.repeat(64)] })],
    ...[fork, merge, (branches: string[]) => abandon({ branches })].flatMap(
      act =>
        [
          [400, 'WEFT_REQUEST_MALFORMED', () => act([])],
          [400, 'WEFT_REQUEST_MALFORMED', () => act(['one', 'one'])],
        ] as [number, string, () => Promise<Answer>][],
    ),
    [400, 'WEFT_REQUEST_MALFORMED', () => fork(many)],
  ]
  const before = await api.peer.ids()
  for (const [status, code, act] of refused) {
    const { status: told, body } = await act()
    expect([told, body.code], String(act)).toEqual([status, code])
  }
  expect(await api.peer.ids()).toEqual(before)
})

test('[DUR-1] [DUR-3] what was not answered in time shows nowhere, and is found when it is asked for again', async () => {
  const { api, peer, fork, merge, put, states } = await branchScene()
  await fork(['left'])
  await put('left', 'left')
  const elsewhere = verbsOf(await api.another())
  for (const act of [
    ({ fork }: typeof elsewhere, more: object) => fork(['late', 'later'], more),
    ({ merge }: typeof elsewhere, more: object) => merge(['left'], more),
  ]) {
    const [before, stood] = [await peer.ids(), await states()]
    const release = peer.gate.hold()
    const { appends } = peer.gate
    const asked = act({ ...elsewhere, fork, merge }, { wait_ms: 0 })
    await until(() => peer.gate.appends > appends, 'it is with the peer')
    expect(await states()).toEqual(stood)
    expect(await asked).toMatchObject({ status: 504, body: { code: 'WEFT_NOT_SYNCED' } })
    release()
    // Whichever gateway is asked, and however early: only a merge may be made twice, of the same.
    const again = await act(elsewhere, {})
    expect([200, 201]).toContain(again.status)
    const now = await act(elsewhere, {})
    expect([now.status, now.body.change]).toEqual([200, again.body.change])
    expect((await peer.ids()).length - before.length).toBeLessThanOrEqual(2)
  }
  expect(await states()).toMatchObject({ left: 'merged', late: 'empty' })
})

test('[DUR-6] of those who fork the same at once one does, whichever gateway they ask', async () => {
  const { api, peer, after, fork } = await branchScene()
  const other = verbsOf(await api.another())
  await other.abandon({ unmerged: true, after })
  const release = peer.gate.hold()
  const asked = [fork, other.fork, fork, other.fork].map((act, at) =>
    act(['one', 'two'], { agent: at < 2 ? 'a' : 'b' }),
  )
  await until(() => peer.gate.appends > 0, 'one of them is with the peer')
  release()
  const answers = await Promise.all(asked)
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 201, 409, 409])
  const [first, second] = answers.filter(({ status }) => status < 300)
  expect(first!.body.change).toBe(second!.body.change)
  const { branches } = (await api.get(`${W}/branches`)).body
  expect(branches.map(({ name }) => name)).toEqual(['main', 'one', 'two'])
})

test('[MRG-1] merges that are made at once, beside what others write, lose nothing', async () => {
  const { api, context, fork, merge } = await branchScene()
  // Names that every object has something under are names.
  const names = ['one', '__proto__', 'constructor']
  await fork(names)
  const other = await api.another()
  const say = (text: string, branch: string) =>
    api.write({ branch, entries: [{ kind: 'message', value: { text } }] })
  for (const name of names) await say(name, name)
  const { session } = await api.get(`${W}/branches`)
  const acts = [
    merge(['one', '__proto__']),
    merge(['__proto__', 'constructor']),
    verbsOf(other).merge(names, { after: session }),
    say('beside', 'main'),
    say('later', 'one'),
  ]
  for (const { status } of await Promise.all(acts)) expect(status).toBe(201)
  const last = await merge(names)
  expect(last.status).toBeLessThan(300)
  expect((await merge(names)).status).toBe(200)
  const texts = async (from: GatewayHarness) => {
    const { body } = await from.get(`${W}/log?after=${last.session}`)
    return body.entries.map(entry => (entry as { value: { text: string } }).value.text)
  }
  const all = await texts(api)
  expect([...all].sort()).toEqual(['begin', 'beside', 'later', ...names].sort())
  expect(await texts(other)).toEqual(all)
  await context.reach(last.session!)
  expect(context.entries().map(({ value }) => (value as { text: string }).text)).toEqual(all)
})

test('[HND-3] a branch under another’s lease is not forked from, merged into or settled on, and is merged from', async () => {
  const { api, context, peer, fork, merge, resolve, abandon, put, states } = await branchScene()
  await fork(['left', 'right'])
  for (const name of ['left', 'right']) await put(name, name)
  await context.reach((await merge(['left', 'right'])).session!)
  await put('left', 'more')
  await context.lease()
  const before = await peer.ids()
  for (const act of [() => fork(['new']), () => merge(['left']), () => resolve('/constraints/by', 'left')]) {
    expect(await act()).toMatchObject({
      status: 409,
      body: { code: 'WEFT_LEASE_HELD', details: { holder: 'planner' } },
    })
  }
  expect(await peer.ids()).toEqual(before)
  expect((await merge(['main'], { branch: 'right' })).status).toBe(201)
  // To abandon a branch writes nothing on it: who holds it goes on with it.
  expect((await abandon({ branches: ['left'] })).status).toBe(201)
  expect(await states()).toMatchObject({ left: 'abandoned', right: 'open' })
  expect((await api.get(`${W}/branches`)).body.branches).toHaveLength(3)
})

test('[SES-1] a session of one gateway is honoured by another, whatever it did to branches', async () => {
  const { api, fork } = await branchScene()
  const forked = await fork(['x'])
  expect(forked.body).toMatchObject({ session: forked.session })
  const other = verbsOf(await api.another())
  const headers = { 'weft-after': forked.session! }
  const body = { agent: 'a', schema, branch: 'x', patch: [{ op: 'add', path: '/plan/-', value: 'x' }] }
  const written = await api.post(`${W}/changes`, body, { headers })
  const merged = await other.merge(['x'], { after: written.session })
  expect(merged.status).toBe(201)
  const elsewhere = await api.another()
  const read = await elsewhere.get(`${W}/branches`, { headers: { 'weft-after': merged.session! } })
  expect(read.body.branches).toMatchObject([{ name: 'main' }, { name: 'x', state: 'merged' }])
})
