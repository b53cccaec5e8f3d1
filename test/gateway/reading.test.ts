import { describe, expect, test } from 'vitest'
import { GatewayHarness, type Loose } from '../support/gateway-harness.ts'
import { Research } from '../support/replica-contexts.ts'

async function scene() {
  const api = await GatewayHarness.start()
  const replica = await api.peer.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  const say = (text: string) => context.append('message', { text }).committed
  return { api, replica, context, say, peer: api.peer }
}

const W = '/v1/contexts/w'
const textsIn = ({ entries }: Loose): string[] =>
  (entries as { value: { text: string } }[]).map(({ value }) => value.text)

describe('the state of a branch', () => {
  test('is told as it is, and as it was', async () => {
    const { api, context } = await scene()
    await context.change(state => void state.plan.push('compare')).committed
    const position = context.position
    await context.change(state => {
      state.constraints.format = 'json'
    }).committed
    const session = await context.token()
    const now = await api.get(`${W}/state?after=${session}`)
    expect(now.status).toBe(200)
    expect(now.body).toMatchObject({
      workflow: 'w',
      branch: 'main',
      position: context.position,
      heads: context.heads,
      pointer: '',
      exists: true,
      state: { plan: ['begin', 'compare'], constraints: { format: 'json' } },
      conflicts: [],
      session: now.session,
    })
    const then = await api.get(`${W}/state?at=${position}`)
    expect(then.body).toMatchObject({ position, state: { constraints: {} } })
    expect(now.body).not.toHaveProperty('writers')
    expect((await api.get(`${W}/state?at=0`)).body).toMatchObject({ position: 0, heads: [], state: {} })
  })

  test('is told at a pointer, with who wrote there last', async () => {
    const { api, context } = await scene()
    await context.change(state => {
      state.constraints['a/b'] = 1
    }).committed
    const [change] = context.heads
    const found = await api.get(`${W}/state?pointer=/constraints/a~1b&after=${await context.token()}`)
    expect(found.body).toMatchObject({ exists: true, state: 1, writers: [change] })
    for (const pointer of [
      '/nothing',
      '/plan/length',
      '/plan/-',
      '/constructor',
      '/__proto__',
      '/plan/0/x',
    ]) {
      const { body } = await api.get(`${W}/state?pointer=${pointer}`)
      expect(body, pointer).toMatchObject({ exists: false })
      expect(body, pointer).not.toHaveProperty('state')
    }
  })

  test('[MRG-2] is told with all values of what is in conflict', async () => {
    const { api, context } = await scene()
    await context.fanOut(['left', 'right'], branch => {
      branch.change(state => {
        state.constraints.by = branch.branch
      })
      branch.change(state => {
        state.constraints.same = 1
      })
    })
    const after = await context.token()
    const { body } = await api.get(`${W}/state?after=${after}`)
    expect(body.conflicts).toMatchObject([
      {
        pointer: '/constraints/by',
        values: [
          { value: 'left', branch: 'left' },
          { value: 'right', branch: 'right' },
        ],
      },
    ])
    expect((await api.get(`${W}/state?pointer=/plan`)).body.conflicts).toEqual([])
    expect((await api.get(`${W}/state?pointer=/constraints/by/x`)).body.conflicts).toHaveLength(1)
    expect((await api.get(`${W}/state?branch=left`)).body).toMatchObject({
      branch: 'left',
      state: { constraints: { by: 'left' } },
      conflicts: [],
    })
    const resolved = context.resolve('/constraints/by', 'left')
    await resolved.committed
    const at = `${W}/state?at=${context.position - 1}&after=${await context.token()}`
    expect((await api.get(at)).body.conflicts).toHaveLength(1)
  })

  test('of what nobody has written is empty, at position 0: known, and not missing', async () => {
    const api = await GatewayHarness.start()
    expect((await api.get(`${W}/state`)).body).toMatchObject({
      position: 0,
      heads: [],
      exists: true,
      state: {},
    })
    expect((await api.get(`${W}/log`)).body).toMatchObject({ position: 0, total: 0, entries: [], next: null })
  })

  test('[HND-2] is refused to who names another definition', async () => {
    const { api, context } = await scene()
    await context.append('message', { text: 'x' }).committed
    const after = await context.token()
    expect((await api.get(`${W}/state?schema=research@1&after=${after}`)).status).toBe(200)
    for (const schema of ['research@2', 'other@1']) {
      const { status, body } = await api.get(`${W}/state?schema=${schema}`)
      expect([status, body]).toMatchObject([409, { code: 'WEFT_SCHEMA_UNKNOWN' }])
    }
    expect((await api.get(`${W}/state?schema=research`)).status).toBe(400)
  })
})

describe('the log of a branch', () => {
  test('[ORD-1] comes in causal order, page by page, however much is written meanwhile', async () => {
    const { api, context, say } = await scene()
    for (const text of ['one', 'two', 'three', 'four', 'five']) await say(text)
    const first = await api.get(`${W}/log?limit=2&after=${await context.token()}`)
    expect(first.body).toMatchObject({ total: 5, offset: 0, position: context.position })
    expect(textsIn(first.body)).toEqual(['one', 'two'])
    const elsewhere = context.fork('aside', { at: 2 })
    await elsewhere.append('message', { text: 'beside them' }).committed
    await context.merge('aside').receipt.committed
    const pages = [first]
    for (let next = first.body.next; next; next = pages.at(-1)!.body.next) pages.push(await api.get(next))
    expect(pages.flatMap(({ body }) => textsIn(body))).toEqual(['one', 'two', 'three', 'four', 'five'])
    expect(pages.map(({ body }) => body.position)).toEqual(pages.map(() => first.body.position))
    const all = await api.get(`${W}/log?after=${await context.token()}`)
    expect(textsIn(all.body)).toEqual(context.entries().map(({ value }) => (value as { text: string }).text))
  })

  test('tells of each entry who wrote it, from what, and where it stands', async () => {
    const { api, context } = await scene()
    const options = { dependsOn: ['ext:doc/17@v3'] }
    const receipt = context.append('decision', { choice: 'a' }, options)
    const position = await receipt.committed
    const { body } = await api.get(`${W}/log?after=${await context.token()}`)
    expect(body.entries).toEqual([
      {
        ...JSON.parse(JSON.stringify(context.entries()[0])),
        id: receipt.entries[0],
        position,
        reads: [{ ref: 'ext:doc/17', version: 'v3', entry: 0 }],
      },
    ])
  })

  test('is filtered by kind and agent, and shows what was reverted when that is asked for', async () => {
    const { api, context, say, replica } = await scene()
    await say('one')
    const other = await replica.open(Research, { workflow: 'w', agent: 'other' })
    const wrong = other.append('message', { text: 'wrong' })
    await wrong.committed
    await context.append('decision', { choice: 'a' }).committed
    const after = await context.token()
    expect(textsIn((await api.get(`${W}/log?agent=other&after=${after}`)).body)).toEqual(['wrong'])
    expect((await api.get(`${W}/log?kind=decision`)).body).toMatchObject({ total: 1 })
    await other.revert({ change: wrong.change! } as never).receipt.committed
    const later = await other.token()
    expect((await api.get(`${W}/log?agent=other&after=${later}`)).body).toMatchObject({ total: 0 })
    expect((await api.get(`${W}/log?agent=other&reverted=true`)).body).toMatchObject({ total: 1 })
  })

  test('comes in pages of so many bytes, of one entry at least', async () => {
    const api = await GatewayHarness.start({ limits: { page_bytes_max: 1_000 } })
    for (const size of [2_000, 300, 300]) {
      expect((await api.say('x'.repeat(size))).status).toBe(201)
    }
    const first = await api.get(`${W}/log`)
    expect(first.body.entries).toHaveLength(1)
    const second = await api.get(first.body.next!)
    expect([second.body.offset, second.body.next]).toEqual([1, expect.any(String)])
  })
})

describe('the audit of a branch', () => {
  test('tells who wrote what, why and from what, by all filters', async () => {
    const { api, context, say } = await scene()
    await say('one')
    await context.change(
      state => {
        state.constraints.format = 'json'
      },
      { reason: 'the reader wants it' },
    ).committed
    const fork = context.fork('aside')
    await fork.append('decision', { choice: 'a' }).committed
    const after = await context.token()
    const all = await api.get(`${W}/audit?after=${after}`)
    expect(all.body.records).toEqual(
      [...context.audit()].map(record => ({
        ...JSON.parse(JSON.stringify(record)),
        position: context.positionOf(record.change),
      })),
    )
    const found = async (query: string) => (await api.get(`${W}/audit?${query}`)).body.records
    expect(await found('pointer=/constraints/format')).toMatchObject([
      { pointers: ['/constraints', '/plan'] },
      { pointers: ['/constraints/format'], reason: 'the reader wants it' },
    ])
    expect(await found('kind=message')).toHaveLength(1)
    expect(await found('agent=nobody')).toEqual([])
    expect(await found('branch=aside&own=true')).toMatchObject([{ branch: 'aside' }])
    expect(await found('limit=1&offset=1')).toHaveLength(1)
    expect((await found('branch=aside')).length).toBeGreaterThan(2)
  })
})

describe('the window of a branch', () => {
  test('[WIN-4] is the one that any replica makes, byte for byte, with its report', async () => {
    const { api, context, say } = await scene()
    for (const text of ['one', 'two', 'three']) await say(text)
    const after = await context.token()
    for (const as of ['openai', 'anthropic', 'ai-sdk', 'parts'] as const) {
      const { body } = await api.get(`${W}/window?budget=1000&as=${as}&after=${after}`)
      const window = context.window({ budget: 1_000, as })
      expect(body.text).toBe(window.text)
      expect(body).toMatchObject({
        digest: window.digest,
        tokens: window.tokens,
        counter: 'o200k_base',
        recipe: { budget: 1_000, as },
        included: window.included,
        leftOut: [],
        heads: context.heads,
        position: context.position,
      })
      const { text, messages, system, parts } = body
      const content = parts ?? (system ? { system, messages } : messages)
      expect(JSON.stringify(content)).toBe(text)
    }
  })

  test('[WIN-1] never exceeds its budget; what is pinned alone may, and that is an error with the numbers', async () => {
    const { api, context, say } = await scene()
    for (let turn = 0; turn < 30; turn++) await say(`something that takes some tokens, number ${turn}`)
    const after = await context.token()
    const small = await api.get(`${W}/window?budget=100&after=${after}`)
    expect(small.body.tokens).toBeLessThanOrEqual(100)
    expect(small.body.leftOut).toContainEqual(expect.objectContaining({ why: 'budget' }))
    expect((await api.get(`${W}/window?budget=100&leftOut=false`)).body).not.toHaveProperty('leftOut')
    const refused = await api.get(`${W}/window?budget=100&pinKind=message`)
    expect([refused.status, refused.body]).toMatchObject([
      422,
      {
        code: 'WEFT_WINDOW_BUDGET',
        details: {
          budget: 100,
          pinned: context.window({ budget: 9_999, pin: { kinds: ['message'] } }).tokens,
        },
      },
    ])
    const entry = context.entries()[0]!.id
    const pinned = await api.get(`${W}/window?budget=100&pinEntry=${entry}&pinKind=decision`)
    expect(pinned.body.included).toContainEqual(expect.objectContaining({ entry, tier: 'pinned' }))
  })

  test('[WIN-3] treats what is stale as it is told to', async () => {
    const { api, context } = await scene()
    await context.append('decision', { choice: 'a' }, { dependsOn: ['state:/constraints/format'] }).committed
    await context.change(state => {
      state.constraints.format = 'json'
    }).committed
    const after = await context.token()
    const included = async (query: string) =>
      (await api.get(`${W}/window?budget=1000&${query}`)).body.included
    expect(await included(`after=${after}`)).toMatchObject([{ stale: true }])
    expect(await included('staleness=drop')).toEqual([])
    expect(await included('staleness=message:drop&staleness=decision:keep')).toHaveLength(1)
    expect(await included('staleness=flag&staleness=decision:drop')).toEqual([])
    const { status, body } = await api.get(`${W}/window?budget=1000&staleness=sometimes`)
    expect([status, body]).toMatchObject([400, { code: 'WEFT_WINDOW_OPTIONS' }])
  })

  test('is had of a position', async () => {
    const { api, context, say } = await scene()
    await say('one')
    const { position } = context
    const then = context.window({ budget: 500 })
    await say('two')
    const { body } = await api.get(`${W}/window?budget=500&at=${position}&after=${await context.token()}`)
    expect(body).toMatchObject({ text: then.text, position, heads: context.at(position).heads })
  })
})

describe('what was never reached', () => {
  test.each([
    'state',
    'log',
    'audit',
    'window',
  ])('is refused of the %s, with the position that is', async what => {
    const { api, context, say } = await scene()
    await say('one')
    const query = what === 'window' ? '&budget=10' : ''
    const { status, body } = await api.get(`${W}/${what}?at=99${query}&after=${await context.token()}`)
    expect([status, body]).toMatchObject([
      416,
      { code: 'WEFT_POSITION_UNKNOWN', details: { position: 99, known: context.position } },
    ])
    const branch = await api.get(`${W}/${what}?branch=nowhere${query}`)
    expect([branch.status, branch.body]).toMatchObject([404, { code: 'WEFT_BRANCH_UNKNOWN' }])
  })
})

test('[ERA-1] what was erased is told of as erased, in the log, the audit and windows', async () => {
  const { api, context, say, peer } = await scene()
  await say('the canary sings')
  await say('and on')
  const before = await api.get(`${W}/log?after=${await context.token()}`)
  expect(textsIn(before.body)).toEqual(['the canary sings', 'and on'])
  const token = await peer.token({ scopes: ['read', 'write', 'admin'] })
  const admin = await (await peer.replica({ token })).open(Research, { workflow: 'w', agent: 'admin' })
  const [said] = admin.entries()
  const { change } = await admin.erase([said!.id], { reason: 'asked for' })
  const session = await admin.token()
  const log = await api.get(`${W}/log?after=${session}`)
  const erased = { by: change, agent: 'admin', reason: 'asked for' }
  expect(log.body.entries[0]).toMatchObject({ id: said!.id, kind: 'message', value: null, erased })
  const audit = await api.get(`${W}/audit?after=${session}`)
  expect(audit.body.records[1]).toMatchObject({ change: said!.change, erased, erases: [] })
  const window = await api.get(`${W}/window?budget=1000&after=${session}`)
  for (const answer of [log, audit, window]) {
    expect(answer.status).toBe(200)
    expect(JSON.stringify(answer.body)).not.toContain('canary')
  }
})
