import { describe, expect, test } from 'vitest'
import { type Answer, GatewayHarness } from '../support/gateway-harness.ts'
import { until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { StalledPeer } from '../support/stalled-peer.ts'

const POOL = '/v1/contexts/w/subscriptions/pool'
const CLAIMS = `${POOL}/claims`
const SHORT_MS = 400

async function scene() {
  const api = await GatewayHarness.start()
  await api.post(POOL, { agent: 'boss', filter: { kinds: ['message'] } })
  return api
}

const claim = (api: GatewayHarness, agent: string, options: object = {}): Promise<Answer> =>
  api.post(CLAIMS, { agent, ...options })
const ack = (api: GatewayHarness, id: string, agent = 'a'): Promise<Answer> =>
  api.post(`${CLAIMS}/${id}/ack`, { agent })
const textsIn = ({ body }: Answer): string[] =>
  body.events.flatMap(({ entries }) => entries.map(({ value }) => value.text))

describe('[WAK-1] a subscription over HTTP', () => {
  test('is defined once for all who name it with one filter', async () => {
    const api = await scene()
    const status = await api.get(POOL)
    expect(status).toMatchObject({
      status: 200,
      body: { name: 'pool', filter: { kinds: ['message'] }, acknowledged: 0, epoch: 1, claimant: 'boss' },
    })
    const again = await api.post(POOL, { agent: 'other', filter: { kinds: ['message'] } })
    expect(again.body).toMatchObject({ epoch: 1, claimant: 'boss' })
    const other = await api.post(POOL, { agent: 'other', filter: { kinds: ['decision'] } })
    expect(other).toMatchObject({ status: 409, body: { code: 'WEFT_SUBSCRIPTION_EXISTS' } })
    const replaced = await api.post(POOL, { agent: 'other', filter: { kinds: ['decision'] }, replace: true })
    expect(replaced.body).toMatchObject({ epoch: 2, filter: { kinds: ['decision'] } })
  })

  test.each<[string, number, string, { readonly [field: string]: unknown; readonly name?: string }]>([
    ['a filter that is none', 400, 'WEFT_FILTER_INVALID', { filter: { refs: ['nothing'] } }],
    ['a list of what there is not', 400, 'WEFT_REQUEST_MALFORMED', { filter: { agents: ['a'] } }],
    ['an empty list', 400, 'WEFT_FILTER_INVALID', { filter: { kinds: [] } }],
    ['a position that was never reached', 416, 'WEFT_POSITION_UNKNOWN', { from: 99 }],
    ['position 0', 416, 'WEFT_POSITION_UNKNOWN', { from: 0 }],
    ['the name of what the peer keeps', 400, 'WEFT_ID_INVALID', { name: 'webhook.crm' }],
    ['an agent that is no id', 400, 'WEFT_ID_INVALID', { agent: 'a b' }],
  ])('is refused with %s, and is not there then', async (_, status, code, definition) => {
    const { name = 'pool', ...rest } = definition
    const api = await GatewayHarness.start()
    const before = await api.peer.ids()
    const path = `/v1/contexts/w/subscriptions/${name}`
    expect(await api.post(path, { agent: 'boss', ...rest })).toMatchObject({ status, body: { code } })
    expect(await api.peer.ids()).toEqual(before)
    for (const answer of [await api.get(POOL), await claim(api, 'a'), await ack(api, '2.1')]) {
      expect(answer).toMatchObject({ status: 404, body: { code: 'WEFT_SUBSCRIPTION_UNKNOWN' } })
    }
  })

  test('begins no work under a schema', async () => {
    const api = await scene()
    const [change] = [...(await reader(api)).changes()]
    expect(change!.header.notes).not.toHaveProperty('schema')
  })
})

async function reader(api: GatewayHarness) {
  const replica = await api.peer.replica()
  return replica.open(Research, { workflow: 'w', agent: 'reader' })
}

describe('[WAK-1] a claim over HTTP', () => {
  test('is of all that happened since the last that was acknowledged, whichever gateway that went through', async () => {
    const api = await scene()
    const other = await api.another()
    await api.say('one')
    const first = await claim(api, 'a')
    expect(first).toMatchObject({ status: 200, body: { epoch: 2, from: 1, ttl_ms: 30_000 } })
    expect(textsIn(first)).toEqual(['one'])
    await api.say('two')
    expect((await other.post(`${CLAIMS}/${first.body.id}/renew`, { agent: 'a' })).body).toMatchObject({
      ttl_ms: 30_000,
    })
    const acked = await ack(other, first.body.id)
    expect(acked.status).toBe(204)
    expect(acked.session).toBeDefined()
    const second = await claim(api, 'b', { after: acked.session })
    expect(textsIn(second)).toEqual(['two'])
    expect(second.body).toMatchObject({ epoch: 3, from: first.body.to + 1 })
  })

  test('is waited for, and answered with nothing when nothing came in time', async () => {
    const api = await scene()
    expect((await claim(api, 'a', { wait_ms: 0 })).status).toBe(204)
    const waiting = claim(api, 'a')
    await api.say('at last')
    const claimed = await waiting
    expect(textsIn(claimed)).toEqual(['at last'])
    const none = await claim(api, 'b', { wait_ms: 0 })
    expect(none.status).toBe(204)
    expect(none.session).toBeDefined()
    await ack(api, claimed.body.id)
    expect((await api.get(POOL)).body).toMatchObject({ epoch: claimed.body.epoch, claimant: 'a' })
  })

  test('is had when there is something, however short the wait: it is not granted to nobody', async () => {
    const api = await scene()
    await api.say('one')
    const release = api.peer.gate.hold()
    const before = api.peer.gate.appends
    const claiming = claim(api, 'a', { wait_ms: 0, max: 1 })
    await until(() => api.peer.gate.appends > before, 'the peer is about to grant it')
    release()
    expect(textsIn(await claiming)).toEqual(['one'])
  })

  test('of a client that dies is given to the next when it has run out, with the same events', async () => {
    const api = await scene()
    const other = await api.another()
    for (const text of ['one', 'two']) await api.say(text)
    const dead = await claim(api, 'dies', { ttl_ms: SHORT_MS })
    expect(textsIn(dead)).toEqual(['one', 'two'])
    const next = await claim(other, 'lives')
    expect(next.body.epoch).toBe(dead.body.epoch + 1)
    expect(next.body.events).toEqual(dead.body.events)
    expect(await ack(api, dead.body.id)).toMatchObject({ status: 409, body: { code: 'WEFT_LEASE_LOST' } })
    const renewed = await api.post(`${CLAIMS}/${dead.body.id}/renew`, { agent: 'dies' })
    expect(renewed).toMatchObject({ status: 409, body: { code: 'WEFT_LEASE_LOST' } })
    expect((await ack(other, next.body.id)).status).toBe(204)
  })

  test('outlives the gateway that it was made through', async () => {
    const api = await scene()
    await api.say('one')
    const claimed = await claim(api, 'a')
    await api.gateway.close()
    const other = await api.another()
    expect((await claim(other, 'b', { wait_ms: 0 })).status).toBe(204)
    expect((await ack(other, claimed.body.id)).status).toBe(204)
  })

  test('is given back, once and for all; to acknowledge it twice is as good as once', async () => {
    const api = await scene()
    await api.say('one')
    const first = await claim(api, 'a')
    for (let time = 0; time < 2; time++) {
      expect((await api.ask('DELETE', `${CLAIMS}/${first.body.id}?agent=a`)).status).toBe(204)
    }
    expect(await ack(api, first.body.id)).toMatchObject({ status: 409 })
    const second = await claim(api, 'b')
    expect(second.body.events).toEqual(first.body.events)
    expect((await api.ask('DELETE', `${CLAIMS}/${first.body.id}?agent=a`)).status).toBe(204)
    const never = await api.ask('DELETE', `${CLAIMS}/99.1?agent=a`)
    expect(never).toMatchObject({ status: 409, body: { code: 'WEFT_LEASE_LOST' } })
    for (let time = 0; time < 2; time++) expect((await ack(api, second.body.id)).status).toBe(204)
  })

  test('of five clients that take turns are each of other events, and of each event', async () => {
    const api = await scene()
    const gateways = [api, await api.another()]
    const texts = Array.from({ length: 30 }, (_, at) => `task ${at}`)
    const handled: string[] = []
    const epochs: number[] = []
    const work = async (at: number): Promise<void> => {
      const gateway = gateways[at % 2]!
      while (handled.length < texts.length) {
        const claimed = await claim(gateway, `agent-${at}`, { max: 3, wait_ms: 200 })
        // Nothing came in time, or somebody else held it for so long.
        if (claimed.status === 204 || claimed.body.code === 'WEFT_LEASE_HELD') continue
        expect(claimed).toMatchObject({ status: 200 })
        handled.push(...textsIn(claimed))
        epochs.push(claimed.body.epoch)
        expect((await ack(gateway, claimed.body.id, `agent-${at}`)).status).toBe(204)
      }
    }
    const working = Promise.all(Array.from({ length: 5 }, (_, at) => work(at)))
    for (const text of texts) await api.say(text)
    await working
    expect(handled).toEqual(texts)
    expect(new Set(epochs).size).toBe(epochs.length)
  })

  test('that is waited for by a client that is gone is waited for no longer', async () => {
    const api = await scene()
    const gone = new AbortController()
    const waiting = api.ask('POST', CLAIMS, { body: { agent: 'gone' }, signal: gone.signal })
    const other = await api.another({ limits: { requests_per_token_max: 1 } })
    const alone = other.occupy(CLAIMS, gone.signal)
    await until(async () => (await other.get(POOL)).status === 503, 'the request waits')
    gone.abort()
    await expect(waiting).rejects.toThrow()
    await expect(alone).rejects.toThrow()
    await until(async () => (await other.get(POOL)).status === 200, 'its place is free again')
    await api.say('one')
    expect((await claim(api, 'here', { wait_ms: 2_000 })).body).toMatchObject({ epoch: 2 })
  })

  test('that cannot be answered is given back, and not left to run out', async () => {
    const api = await scene()
    await api.say('one')
    const link = await StalledPeer.before(api.peer.url)
    const stalled = await api.another({ url: link.url })
    expect((await stalled.get(POOL)).status).toBe(200)
    link.hold('attested')
    const unheard = await claim(stalled, 'unheard', { wait_ms: 0 })
    expect(unheard).toMatchObject({ status: 504, body: { code: 'WEFT_NOT_SYNCED' } })
    const next = await claim(api, 'next')
    expect(textsIn(next)).toEqual(['one'])
    expect(next.body.epoch).toBe(3)
  })

  test.each<[string, number, string, string, object]>([
    ['id', 400, 'WEFT_USAGE', `${CLAIMS}/no-id/ack`, { agent: 'a' }],
    ['id that never was', 409, 'WEFT_LEASE_LOST', `${CLAIMS}/9.1/ack`, { agent: 'a' }],
    ['id beyond the log', 409, 'WEFT_LEASE_LOST', `${CLAIMS}/1.999999/ack`, { agent: 'a' }],
    ['length', 400, 'WEFT_LEASE_INVALID', CLAIMS, { agent: 'a', ttl_ms: 0 }],
    ['length beyond an hour', 400, 'WEFT_LEASE_INVALID', CLAIMS, { agent: 'a', ttl_ms: 3_600_001 }],
    ['count', 400, 'WEFT_REQUEST_MALFORMED', CLAIMS, { agent: 'a', max: 0 }],
    ['time to wait', 400, 'WEFT_REQUEST_MALFORMED', CLAIMS, { agent: 'a', wait_ms: 60_001 }],
    ['agent', 400, 'WEFT_REQUEST_MALFORMED', CLAIMS, {}],
  ])('is refused with a bad %s', async (_, status, code, path, body) => {
    const api = await scene()
    await api.say('one')
    const before = await api.peer.ids()
    expect(await api.post(path, body)).toMatchObject({ status, body: { code } })
    expect(await api.peer.ids()).toEqual(before)
  })

  test('[TEN-1] finds nothing of another tenant', async () => {
    const api = await scene()
    await api.say('a secret')
    const { body } = await claim(api, 'a')
    const token = await api.peer.token({ tenant: 'rival' })
    expect(await api.post(CLAIMS, { agent: 'r' }, { token })).toMatchObject({ status: 404 })
    expect(await api.post(POOL, { agent: 'r', filter: { kinds: ['message'] } }, { token })).toMatchObject({
      status: 200,
      body: { claimant: 'r' },
    })
    expect((await api.post(CLAIMS, { agent: 'r', wait_ms: 0 }, { token })).status).toBe(204)
    const theirs = { agent: 'r', wait_ms: 0 }
    expect(await api.post(`${CLAIMS}/${body.id}/ack`, theirs, { token })).toMatchObject({
      status: 409,
      body: { code: 'WEFT_LEASE_LOST' },
    })
    expect((await ack(api, body.id)).status).toBe(204)
  })

  test('takes a token that may write', async () => {
    const api = await scene()
    await api.say('one')
    const token = await api.peer.token({ scopes: ['read'] })
    expect((await api.get(POOL, { token })).status).toBe(200)
    expect(await api.post(CLAIMS, { agent: 'r' }, { token })).toMatchObject({
      status: 403,
      body: { code: 'WEFT_SCOPE' },
    })
  })
})
