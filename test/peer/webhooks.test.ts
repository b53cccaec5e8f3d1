import { setImmediate as nextTurn } from 'node:timers/promises'
import { Admission, sealMark, WAKES_BRANCH } from '@weft/core'
import { DEFAULT_LIMITS, HOUSEKEEPING_RESERVE_BYTES, startPeer, type WebhookConfig } from '@weft/peer'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { gateOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { isSigned, WebhookTarget } from '../support/webhook-target.ts'
import { Author } from '../support/wire-author.ts'

const HOOK_SECRET = 'a secret of the webhook, shared'
const ATTEMPTS_MAX = 3
const LIMITS = { webhook_backoff_ms: 1, webhook_attempts_max: ATTEMPTS_MAX, webhook_timeout_ms: 2_000 }

async function scene(config: Partial<WebhookConfig> = {}, limits: object = {}, others: WebhookConfig[] = []) {
  const target = await WebhookTarget.start()
  const webhook = { name: 'crm', tenant: 'acme', url: target.url, secret: HOOK_SECRET, ...config }
  const webhooks = [webhook, ...others]
  const harness = await PeerHarness.start({ webhooks, limits: { ...LIMITS, ...limits } })
  const replica = await harness.replica()
  const open = (workflow = 'w') => replica.open(Research, { workflow, agent: 'planner' })
  const context = await open()
  const say = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await context.append('message', { text }).committed
  }
  const admin = async (path: string, method = 'GET', request = {}) => {
    const { status, text } = await harness.http(path, { method, headers: await adminOf(harness, request) })
    return { status, body: text === '' ? undefined : JSON.parse(text) }
  }
  return { harness, target, context, say, admin, open }
}

async function adminOf(harness: PeerHarness, request = {}): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await harness.token({ scopes: ['admin'], ...request })}` }
}

describe('[WAK-1] a webhook', () => {
  test('is given each event once, in the order of the log, as a signed CloudEvent', async () => {
    const { target, context, say } = await scene()
    await say('one', 'two')
    await until(() => target.taken.length === 3, 'all are delivered')
    expect(target.sequences).toEqual([1, 2, 3])
    const [, one] = target.taken
    expect(one!.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
    expect(one!.headers['webhook-id']).toBe(one!.event.id)
    expect(Math.abs(Number(one!.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
    expect(isSigned(one!, HOOK_SECRET)).toBe(true)
    expect(isSigned({ ...one!, body: `${one!.body} ` }, HOOK_SECRET)).toBe(false)
    expect(one!.event).toMatchObject({
      specversion: '1.0',
      source: 'urn:weft:acme:w',
      data: { kinds: ['message'] },
    })
    await until(() => context.subscriptions()[0]?.acknowledged === 3, 'it says how far it is')
    expect(context.subscriptions()).toMatchObject([{ name: 'webhook.crm', claimant: 'weft-peer' }])
  })

  test('is given what its filter and its workflows let through, and its own mark never', async () => {
    const { target, open, say } = await scene({ workflows: 'w*', filter: { kinds: ['decision'] } })
    const other = await open('other')
    await other.append('decision', { choice: 'not for it' }).committed
    await say('nothing')
    const second = await open('w2')
    await second.append('decision', { choice: 'for it' }).committed
    await second.append('decision', { choice: 'too' }).committed
    await until(() => target.taken.length === 2, 'both are delivered')
    await until(() => second.subscriptions()[0]?.acknowledged === 3, 'it says how far it is')
    expect(target.taken.map(({ event }) => event.data.kinds)).toEqual([['decision'], ['decision']])
  })

  test('that fails is tried again, until it takes the event', async () => {
    const { target, say, admin } = await scene()
    target.answers.push(500, 302)
    await say('one')
    await until(() => target.taken.length === 2, 'all are delivered')
    expect(
      target.received.map(({ path }) => path),
      'no redirect is followed',
    ).toEqual(Array(4).fill('/'))
    expect(target.received.map(({ event }) => Number(event.sequence))).toEqual([1, 1, 1, 2])
    expect((await admin('/webhooks')).body).toEqual([])
  })

  test('that fails again and again is parked and listed, and goes on where it was when it is resumed', async () => {
    const { target, say, admin, harness } = await scene()
    target.answers.push(204)
    await say('one')
    await until(() => target.taken.length === 2, 'all are delivered')
    target.always = 503
    await say('two', 'three')
    const parked = { webhook: 'crm', workflow: 'w', state: 'parked', failures: ATTEMPTS_MAX }
    await until(async () => (await harness.metric('weft_webhooks_parked')) === 1, 'it is parked')
    const { body } = await admin('/webhooks')
    expect(body).toMatchObject([{ ...parked, position: expect.any(Number), reason: 'it answered with 503' }])
    await say('four')
    expect(target.received).toHaveLength(2 + ATTEMPTS_MAX)
    target.always = undefined
    expect(await admin('/webhooks/crm/w/resume', 'POST')).toEqual({ status: 204, body: undefined })
    await until(() => target.taken.length === 5, 'all are delivered')
    expect(new Set(target.taken.map(({ event }) => event.id)).size).toBe(5)
    expect((await admin('/webhooks')).body).toEqual([])
    expect(await admin('/webhooks/crm/w/resume', 'POST')).toMatchObject({
      status: 404,
      body: { code: 'WEFT_SUBSCRIPTION_UNKNOWN' },
    })
  })

  test('[ERA-1] is not given what was erased while it took what stands before that', async () => {
    const { harness, target, context, say } = await scene()
    const [first, third] = [gateOf(), gateOf()]
    target.held = first.opened
    await say('kept')
    await until(() => target.taken.length === 1, 'it is about to take the first')
    // So the last two are read at once.
    await say('kept too', 'secret')
    target.onReceived = () => {
      target.held = target.taken.length === 3 ? third.opened : Promise.resolve()
    }
    first.open()
    await until(() => target.taken.length === 3, 'it is about to take the third')
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    const same = await admin.open(Research, { workflow: 'w', agent: 'admin' })
    await same.erase([context.entries().at(-1)!.id])
    third.open()
    await until(() => target.taken.length === 5, 'it has taken all')
    expect(target.taken[3]!.event.data).toMatchObject({ entries: [{ value: null, erased: true }] })
    expect(target.received.filter(({ body }) => body.includes('secret'))).toEqual([])
  })

  test('keeps nothing of a context that nobody uses any more, and reads it anew', async () => {
    const target = await WebhookTarget.start()
    const begun: string[] = []
    const openStore = async () =>
      overriding(new MemoryStore(disk), inner => ({
        read(workflow, from, bytes_max) {
          if (from === 1) begun.push(workflow)
          return inner.read(workflow, from, bytes_max)
        },
      }))
    const disk = new MemoryDisk()
    const filter = { kinds: ['decision'] }
    const webhook = { name: 'crm', tenant: 'acme', url: target.url, secret: HOOK_SECRET, filter }
    const harness = await PeerHarness.start({ openStore, webhooks: [webhook], limits: { idle_ms: 1 } })
    const say = async (kind: 'message' | 'decision', value: never): Promise<void> => {
      const replica = await harness.connect()
      const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
      await context.append(kind, value).committed
      await replica.close()
      await until(async () => (await harness.metric('weft_contexts_open')) === 0, 'nobody uses it')
    }
    await say('message', { text: 'nothing for it' } as never)
    begun.length = 0
    await say('decision', { choice: 'for it' } as never)
    await until(() => target.taken.length === 1, 'it has taken that')
    expect(begun, 'once, for all who read it').toEqual(['w'])
    expect(await harness.metric('weft_read_cache_bytes')).toBe(0)
  })

  test('is left alone by a peer that cannot begin', async () => {
    const { harness, target, say } = await scene({ filter: { kinds: ['decision'] } })
    await say('one')
    const logged: string[] = []
    const logger = pino({ level: 'warn' }, { write: line => void logged.push(line) })
    const starting = startPeer({
      openStore: async () => new MemoryStore(harness.disk),
      key: { kind: 'secret', secret: SECRET },
      port: harness.peer.port,
      webhooks: [{ name: 'crm', tenant: 'acme', url: target.url, secret: HOOK_SECRET }],
      limits: LIMITS,
      logger,
    })
    await expect(starting).rejects.toMatchObject({ code: 'WEFT_PORT_IN_USE' })
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    expect({ logged, received: target.received }).toEqual({ logged: [], received: [] })
  })

  test('that fails is not tried again before its time, however much is written meanwhile', async () => {
    const well = await WebhookTarget.start()
    const other = { name: 'log', tenant: 'acme', url: well.url, secret: HOOK_SECRET }
    const { target, say, admin } = await scene({}, { webhook_backoff_ms: 3_600_000 }, [other])
    target.always = 503
    for (let write = 1; write <= 2 * ATTEMPTS_MAX; write++) {
      await say(`${write}`)
      await until(() => well.taken.length === write + 1, 'the other one has taken it')
    }
    const { body } = await admin('/webhooks')
    expect(body).toMatchObject([{ webhook: 'crm', state: 'retrying', failures: 1 }])
    expect(target.received).toHaveLength(1)
  })

  test('whose context cannot be read is shown as such, and goes on by itself once it can', async () => {
    const disk = new MemoryDisk()
    const { context: written, harness: first } = await scene()
    await written.append('message', { text: 'one' }).committed
    await first.stop()
    for (const [tenant, contexts] of first.disk.tenants) disk.tenants.set(tenant, contexts)
    const target = await WebhookTarget.start()
    const webhook = { name: 'late', tenant: 'acme', url: target.url, secret: HOOK_SECRET }
    let isBroken = true
    const openStore = async () =>
      overriding(new MemoryStore(disk), inner => ({
        read: (...range) => (isBroken ? Promise.reject(new Error('it is away')) : inner.read(...range)),
      }))
    const limits = { ...LIMITS, idle_ms: 50 }
    const harness = await PeerHarness.start({ webhooks: [webhook], limits, openStore })
    const list = async (): Promise<unknown[]> => {
      const { text } = await harness.http('/webhooks', { headers: await adminOf(harness) })
      return JSON.parse(text)
    }
    const told = { webhook: 'late', workflow: 'w', state: 'retrying', position: 0, reason: 'it is away' }
    await until(async () => (await list()).length === 1, 'it is shown')
    expect(await list()).toMatchObject([told])
    // No webhook has refused anything: it is never parked for this.
    const failures = async (): Promise<number> => ((await list()) as { failures: number }[])[0]!.failures
    await until(async () => (await failures()) > ATTEMPTS_MAX, 'it is tried again and again')
    expect(await list()).toMatchObject([told])
    isBroken = false
    await until(() => target.taken.length === 2, 'all are delivered')
    expect(target.sequences).toEqual([1, 2])
    await until(async () => (await list()).length === 0, 'all is well')
  })

  test('whose mark is refused is shown as such, and tells nothing twice', async () => {
    const quota = { ...DEFAULT_LIMITS.quota, bytes_max: 5_000 }
    const { target, context, admin, harness } = await scene({ filter: { kinds: ['decision'] } }, { quota })
    const { opened, open } = gateOf()
    target.held = opened
    await context.append('decision', { choice: 'one' }).committed
    await until(() => target.received.length === 1, 'it is being delivered')
    await fillReserve(harness)
    open()
    const list = async (): Promise<{ failures: number }[]> => (await admin('/webhooks')).body
    await until(async () => (await list()).length === 1, 'it is shown')
    await until(async () => (await list())[0]!.failures > ATTEMPTS_MAX, 'it is tried again and again')
    const reason = expect.stringContaining('bytes that it may')
    expect(await list()).toMatchObject([{ webhook: 'crm', state: 'retrying', position: 0, reason }])
    expect(target.received).toHaveLength(1)
  })

  test('that nobody answers at, or does not answer in time, counts as one that fails', async () => {
    const { target, say, admin, harness } = await scene({}, { webhook_timeout_ms: 30 })
    target.always = 0
    await say('one')
    await until(async () => (await harness.metric('weft_webhooks_parked')) === 1, 'it is parked')
    expect((await admin('/webhooks')).body).toMatchObject([{ reason: expect.stringMatching(/timeout/) }])
  })

  test('goes on where it was after a restart of the peer, and with what was written meanwhile', async () => {
    const { target, say, harness, context } = await scene()
    await say('one', 'two')
    await until(() => context.subscriptions()[0]?.acknowledged === 3, 'it says how far it is')
    target.always = 500
    await say('three')
    await until(async () => (await harness.metric('weft_webhooks_parked')) === 1, 'it is parked')
    target.always = undefined
    await harness.restart()
    await until(() => target.taken.length === 4, 'it is delivered without anybody asking')
    expect(new Set(target.taken.map(({ event }) => event.id)).size).toBe(4)
  })

  test('goes on when the store has failed and is open again', async () => {
    const { target, say, harness, context } = await scene()
    await say('one')
    await until(() => context.subscriptions()[0]?.acknowledged === 2, 'it says how far it is')
    harness.gate.fault = 'after'
    await say('two')
    await until(() => target.taken.length >= 3, 'it is delivered')
    expect(new Set(target.taken.map(({ event }) => event.id)).size).toBe(3)
  })

  test('[TEN-1] is listed and resumed by its own tenant alone, with the scope to administer', async () => {
    const { target, say, admin, harness } = await scene()
    target.always = 500
    await say('one')
    await until(async () => (await harness.metric('weft_webhooks_parked')) === 1, 'it is parked')
    expect((await admin('/webhooks', 'GET', { tenant: 'rival' })).body).toEqual([])
    expect(await admin('/webhooks/crm/w/resume', 'POST', { tenant: 'rival' })).toMatchObject({ status: 404 })
    for (const [path, method] of [
      ['/webhooks', 'GET'],
      ['/webhooks/crm/w/resume', 'POST'],
    ] as const) {
      const refused = await admin(path, method, { scopes: ['read', 'write'] })
      expect(refused).toMatchObject({ status: 403, body: { code: 'WEFT_SCOPE' } })
    }
    expect((await admin('/webhooks')).body).toHaveLength(1)
  })
})

/** Leaves a tenant no room, not even for what ends work. */
async function fillReserve(harness: PeerHarness): Promise<void> {
  const client = await harness.following()
  const refused = (): number => client.inbox.filter(({ name }) => name === 'refuse').length
  let seed = 1
  for (let chars = HOUSEKEEPING_RESERVE_BYTES / 2; chars >= 1; chars /= 4) {
    for (const before = refused(); refused() === before; ) {
      const change = new Author(seed++, undefined, [], WAKES_BRANCH).append(chars)
      client.push(change)
      const isTaken = async (): Promise<boolean> => (await harness.ids()).includes(change.id)
      await until(async () => refused() > before || isTaken(), 'it is answered')
    }
  }
}

describe("[WAK-1] the subscription of a webhook is the peer's own", () => {
  test('nobody else can define or claim it, and everybody can see how it stands', async () => {
    const { context, say } = await scene()
    await expect(context.subscribe('webhook.crm')).rejects.toMatchObject({ code: 'WEFT_ID_INVALID' })
    await say('one')
    await until(() => context.subscriptions()[0]?.acknowledged === 2, 'it says how far it is')
    const subscription = context.subscription('webhook.crm')
    expect(subscription.status).toMatchObject({ acknowledged: 2, claimant: 'weft-peer' })
    const code = 'WEFT_ID_INVALID'
    for (const options of [
      { from: 1, replace: true },
      { kinds: ['never'], replace: true },
    ])
      await expect(context.subscribe('webhook.crm', options)).rejects.toMatchObject({ code })
    await expect(subscription.claim()).rejects.toMatchObject({ code })
    await context.subscribe('webhooks')
  })

  test('whatever a client of the wire says of itself', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const mark = { name: 'webhook.crm', filter: {}, upTo: 0, agent: 'weft-peer' }
    const change = sealMark(new Admission(sha256), mark, seededHost(1)).bytes
    client.send({ name: 'propose', channel: 1, change, branches: [], heads: [], unmoved: [] })
    expect(await client.next('refuse')).toMatchObject({ code: 'WEFT_ID_INVALID' })
    expect(await harness.ids()).toEqual([])
  })

  test('and is part of the history that a peer is given back', async () => {
    const { context, say, harness } = await scene()
    await say('one')
    await until(() => context.subscriptions()[0]?.acknowledged === 2, 'it says how far it is')
    await context.subscribe('pool')
    const log = await harness.log()
    const other = await PeerHarness.start()
    const client = await other.following()
    client.push(...log)
    await until(async () => (await other.ids()).length === log.length, 'all of it is taken')
  })
})

describe('[WAK-1] a webhook cannot be configured', () => {
  const good = { name: 'crm', tenant: 'acme', url: 'https://example.com/hook', secret: HOOK_SECRET }
  test.each<[string, unknown, RegExp]>([
    ['as something else', 'crm', /not a list/],
    ['without a name', [{ ...good, name: undefined }], /webhook 1.*subscription id/],
    ['with a name that is no id', [{ ...good, name: 'a b' }], /subscription id/],
    ['with a name that is too long', [{ ...good, name: 'n'.repeat(101) }], /too long/],
    ['with a tenant that is no id', [{ ...good, tenant: 'a:b' }], /tenant id/],
    ['for a file', [{ ...good, url: 'file:///etc/passwd' }], /not an http\(s\) address/],
    ['for what is no address', [{ ...good, url: 'example' }], /not an http\(s\) address/],
    ['with a password in its address', [{ ...good, url: 'https://a:b@example.com' }], /without credentials/],
    ['with a short secret', [{ ...good, secret: 'short' }], /its secret/],
    ['with a pattern that is none', [{ ...good, workflows: 'a/b' }], /pattern/],
    ['with a filter that is none', [{ ...good, filter: { kinds: [] } }], /no filter/],
    ['with something unknown', [{ ...good, header: 'x' }], /"header" is no field/],
    ['twice', [good, good], /two of that name/],
  ])('%s', async (_, webhooks, reason) => {
    const openStore = async () => new MemoryStore()
    const key = { kind: 'secret', secret: SECRET } as const
    const starting = startPeer({ openStore, key, port: 0, webhooks: webhooks as WebhookConfig[] })
    await expect(starting).rejects.toMatchObject({
      code: 'WEFT_USAGE',
      message: expect.stringMatching(reason),
    })
    await expect(starting).rejects.not.toMatchObject({ message: expect.stringContaining(HOOK_SECRET) })
  })
})
