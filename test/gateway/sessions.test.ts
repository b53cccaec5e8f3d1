import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, GatewayHarness } from '../support/gateway-harness.ts'
import { MemoryStore } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { gateOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { StalledPeer } from '../support/stalled-peer.ts'

const W = '/v1/contexts/w'

describe('[SES-1] a session', () => {
  test('reads its own writes on any gateway, and never goes back in time', async () => {
    const api = await GatewayHarness.start()
    const gateways = [api, await api.another(), await api.another()]
    let after: string | undefined
    for (let turn = 0; turn < 12; turn++) {
      const headers: Record<string, string> = after === undefined ? {} : { 'weft-after': after }
      const writer = gateways[turn % 3]!
      const written = await writer.say(`turn ${turn}`, { headers })
      expect(written.status).toBe(201)
      const reader = gateways[(turn + 1) % 3]!
      const read = await reader.get(`${W}/log?after=${written.session}`)
      expect(read.body.entries).toHaveLength(turn + 1)
      expect(read.body.position).toBeGreaterThanOrEqual(written.body.position)
      after = read.session
    }
  })

  test('is carried between a replica and a gateway', async () => {
    const api = await GatewayHarness.start()
    const replica = await api.peer.replica()
    const written = await api.say('by HTTP')
    const context = await replica.open(Research, { workflow: 'w', agent: 'b', after: written.session! })
    expect(context.entries()).toHaveLength(1)
    await context.append('message', { text: 'by a replica' }).committed
    const read = await (await api.another()).get(`${W}/log?after=${await context.token()}`)
    expect(read.body.entries).toHaveLength(2)
  })

  test('outlives its gateway, and the peer', async () => {
    const api = await GatewayHarness.start()
    const { session } = await api.say('kept')
    await api.gateway.close()
    await api.peer.restart()
    const read = await (await api.another()).get(`${W}/log?after=${session}`)
    expect(read.body.entries).toHaveLength(1)
  })
})

test('[DUR-1] what is durable is told as done, though the peer does not say what session stands for it', async () => {
  const peer = (await GatewayHarness.start()).peer
  const link = await StalledPeer.before(peer.url)
  const api = await GatewayHarness.start({ url: link.url }, peer)
  const pool = `${W}/subscriptions/pool`
  const claims = `${pool}/claims`
  const by = { agent: 'a', wait_ms: 0 }
  await api.post(pool, by)
  await api.say('to be claimed')
  const claim = await api.post(claims, by)
  link.hold('attested')
  const without = async (asking: Promise<Answer>): Promise<Answer> => {
    const answer = await asking
    expect(answer.session).toBeUndefined()
    return answer
  }
  const schema = { name: 'research', version: 1 }
  // All at once: each waits for the peer, for as long as an answer may take it.
  const [written, begun, other, acked, published] = await Promise.all(
    [
      api.write({ entries: [{ kind: 'message', value: { text: 'one' } }], wait_ms: 0 }),
      api.post(`${W}/branches`, { ...by, schema, branches: ['aside'] }),
      api.post(`${W}/subscriptions/other`, by),
      api.post(`${claims}/${claim.body.id}/ack`, by),
      api.post('/v1/overlays/house', { value: 'be warm', wait_ms: 0 }),
    ].map(without),
  )
  expect(written).toMatchObject({ status: 201, body: { session: null } })
  expect(await peer.ids()).toContain(written!.body.change)
  expect(begun).toMatchObject({ status: 201, body: { session: null } })
  expect(other).toMatchObject({ status: 200, body: { session: null } })
  expect(acked!.status).toBe(204)
  expect(published).toMatchObject({ status: 201, body: { session: null } })
  expect(await api.get(`${W}/log?wait_ms=0`)).toMatchObject({
    status: 504,
    body: { code: 'WEFT_NOT_SYNCED' },
  })
  link.release()
  const read = await api.get(`${W}/log`)
  expect(read.session).toBeDefined()
  expect(read.body.position).toBeGreaterThanOrEqual(written!.body.position)
})

describe('[SES-2] a gateway that is behind a session', () => {
  test('waits until it is not', async () => {
    const { api, stalled } = await behind()
    const { session } = await api.say('not here yet')
    const waiting = stalled.get(`${W}/log?after=${session}`)
    stalled.link.release()
    expect((await waiting).body.entries).toHaveLength(2)
  })

  test('fails when the time is up, with the positions that are missing; and never answers with less', async () => {
    const { api, stalled } = await behind()
    const { session, body } = await api.say('not here yet')
    const { status, body: problem } = await stalled.get(`${W}/log?wait_ms=1&after=${session}`)
    expect([status, problem]).toMatchObject([
      504,
      { code: 'WEFT_NOT_SYNCED', details: { missing: { from: body.position, to: body.position } } },
    ])
    stalled.link.release()
    expect((await stalled.get(`${W}/log?after=${session}`)).body.entries).toHaveLength(2)
  })

  test('says that the peer cannot be asked, and not that there is nothing', async () => {
    const api = await GatewayHarness.start()
    await api.say('one')
    const { url } = api.peer
    await api.peer.stop()
    for (const path of [`${W}/log?wait_ms=1`, `${W}/state?wait_ms=1`]) {
      expect(await api.get(path)).toMatchObject({ status: 504, body: { code: 'WEFT_NOT_SYNCED' } })
    }
    const other = await api.another({ url, limits: { connect_ms: 50 } })
    expect(await other.get(`${W}/log`)).toMatchObject({
      status: 503,
      body: { code: 'WEFT_PEER_UNREACHABLE' },
    })
    await api.peer.restart()
    // A connection that takes longer than it may is another one that fails.
    const asked = async () => (await other.get(`${W}/log`)).body.entries
    await until(async () => (await asked()) !== undefined, 'the peer can be asked again')
    expect(await asked()).toHaveLength(1)
  })
})

describe('[SES-3] a session token', () => {
  test.each<[string, number, string, (api: GatewayHarness) => Promise<string>]>([
    ['that is none', 400, 'WEFT_SESSION_INVALID', async () => 'no.session.token'],
    ['that is a credential', 400, 'WEFT_SESSION_INVALID', async api => api.token],
    [
      'of another workflow',
      403,
      'WEFT_SESSION_FOREIGN',
      async api => (await api.get('/v1/contexts/other/state')).session!,
    ],
    [
      'of another tenant',
      403,
      'WEFT_SESSION_FOREIGN',
      async api => {
        const token = await api.peer.token({ tenant: 'rival' })
        return (await api.get(`${W}/state`, { token })).session!
      },
    ],
  ])('%s is refused', async (_, status, code, sessionOf) => {
    const api = await GatewayHarness.start()
    const after = await sessionOf(api)
    expect(await api.get(`${W}/state?after=${after}`)).toMatchObject({ status, body: { code } })
    expect(await api.say('x', { headers: { 'weft-after': after } })).toMatchObject({ status, body: { code } })
    expect(await api.peer.ids()).toEqual([])
  })

  test('grants no access', async () => {
    const api = await GatewayHarness.start()
    const { session } = await api.say('one')
    expect(await api.get(`${W}/state`, { token: session! })).toMatchObject({ status: 401 })
  })
})

/** A gateway that hears nothing of what is committed until it is let go on; another one hears everything. */
async function behind() {
  const api = await GatewayHarness.start()
  await api.say('one')
  const link = await StalledPeer.before(api.peer.url)
  const stalled = await api.another({ url: link.url })
  expect((await stalled.get(`${W}/log`)).body.entries).toHaveLength(1)
  link.hold('log')
  return { api, stalled: Object.assign(stalled, { link }) }
}

describe('requests that wait for one context', () => {
  const LONG_MS = 2_000_000_000

  /** A gateway of a peer that does not get at its disk for one of its contexts until it is let. */
  async function hung() {
    const { opened, open } = gateOf()
    const openStore = async () =>
      overriding(new MemoryStore(), inner => ({
        head: async workflow => {
          if (workflow === 'w') await opened
          return inner.head(workflow)
        },
      }))
    const peer = await PeerHarness.start({ openStore })
    const limits = { wait_ms: LONG_MS, wait_ms_max: LONG_MS }
    const api = await GatewayHarness.start({ limits }, peer)
    // Before they are ended.
    onTestFinished(open)
    return { api, open }
  }

  test.each([
    ['less long than the first', ['', '?wait_ms=1000']],
    ['longer than the first', ['?wait_ms=1000', '']],
  ])('wait as long as each of them says, also when it is %s', async (_, queries) => {
    const { api, open } = await hung()
    const asked = new Map(queries.map(query => [query, api.get(`${W}/state${query}`)]))
    const late = { status: 504, body: { code: 'WEFT_NOT_SYNCED' } }
    expect(await asked.get('?wait_ms=1000')).toMatchObject(late)
    open()
    expect((await asked.get(''))!.status).toBe(200)
  })

  test('are over when the gateway closes', async () => {
    const { api } = await hung()
    const asked = api.get(`${W}/state`)
    await until(async () => (await api.peer.metric('weft_contexts_open')) > 0, 'it is being opened')
    await api.gateway.close()
    expect(await asked).toMatchObject({ status: 503, body: { code: 'WEFT_ABORTED' } })
  })
})
