import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogHead, OVERLAY_WORKFLOW, type Store, WeftError } from '@weft/core'
import { type DroppedTenant, type PeerOptions, signToken, type TokenRequest } from '@weft/peer'
import { connect } from '@weft/replica'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Disk, LevelHarness, masterIn } from '../contract/level-harness.ts'
import { WatchedKeys } from '../support/key-services.ts'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { gateOf, rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { SseReader } from '../support/sse-reader.ts'
import { WebhookTarget } from '../support/webhook-target.ts'
import { Author } from '../support/wire-author.ts'

const HOOK = { name: 'crm', tenant: 'acme', secret: 'a secret of the webhook, shared' }
const ADMIN = { scopes: ['read', 'write', 'admin'] as const }

/** A tenant with two workflows, and a worker of it; another tenant, that has what nobody may take. */
async function scene(options: Partial<PeerOptions> = {}) {
  const harness = await PeerHarness.start(options, new MemoryDisk())
  const ended: string[] = []
  const worker = await harness.replica({
    onEvent: event => void (event.type === 'failed' && ended.push(event.error.code)),
  })
  const open = (workflow: string) => worker.open(Research, { workflow, agent: 'planner' })
  const contexts = await Promise.all(['v', 'w'].map(open))
  for (const context of contexts) await context.append('message', { text: 'work' }).committed
  const other = await harness.following({ tenant: 'zeta' })
  other.push(new Author(1).append())
  await other.next('log')
  const drop = async (tenant = 'acme', request: Partial<TokenRequest> = ADMIN) => {
    const headers = { authorization: `Bearer ${await harness.token(request)}` }
    const { status, text } = await harness.http(`/drop?tenant=${tenant}`, { method: 'POST', headers })
    return { status, body: JSON.parse(text) as Partial<DroppedTenant> & { code?: string } }
  }
  const workflows = (tenant = 'acme') => [...(harness.disk.tenants.get(tenant)?.keys() ?? [])].sort()
  return { harness, worker, contexts, ended, drop, workflows }
}

/** Issued after whatever was dropped by now, as tokens tell time. */
function later(request: Partial<TokenRequest> = {}): Promise<string> {
  const all = { tenant: 'acme', scopes: ['read', 'write'] as const, lifetime: 600, ...request }
  return signToken(SECRET, all, Date.now() + 2_000)
}

/** A store whose drop of a tenant waits until it may go on. */
function holdingDrops(store: Store, held: Promise<void>, begun: () => void): Store {
  return overriding(store, inner => ({
    async drop(leave) {
      begun()
      await held
      return inner.drop(leave)
    },
  }))
}

const LARGE = 50_000

/** A store whose drops fail, and that is of no use to anybody from then on. */
function failingOnDrop(store: Store): Store {
  const failure = new WeftError('WEFT_STORE_FAILED', 'the disk failed', 'replace the disk')
  let hasFailed = false
  const failing = overriding(store, () => ({
    async drop() {
      hasFailed = true
      throw failure
    },
  }))
  return {
    tenant: id => failing.tenant(id),
    unfinishedDrops: [],
    tenants: () => {
      if (hasFailed) throw failure
      return failing.tenants()
    },
    close: () => failing.close(),
  }
}

/** What comes of a token of a tenant at a peer on what another one has left; that has nothing of it but the revocation. */
async function codeOf(level: LevelHarness, token: string): Promise<string> {
  const harness = await PeerHarness.start({ openStore: () => level.open() })
  const told = await connect({ url: harness.url, token }).then(
    replica => replica.close().then(() => 'let in'),
    (error: { code: string }) => error.code,
  )
  await harness.stop()
  const store = await level.open()
  const heads: LogHead[] = []
  for await (const head of store.tenant('acme').heads()) heads.push(head)
  await level.discard()
  if (told !== 'let in') expect(heads).toMatchObject([{ workflow: OVERLAY_WORKFLOW, count: 1 }])
  return told
}

describe('[TEN-4] a tenant that is dropped from a running peer', () => {
  it('is gone with all that it has, and nothing else is', async () => {
    const { harness, drop, workflows, ended } = await scene()
    const [records] = [await harness.log('w', 'zeta')]
    expect(await drop()).toEqual({ status: 200, body: { tenant: 'acme', workflows: 2, changes: 4 } })
    await until(() => ended.length > 0, 'its worker hears of it')
    expect(ended).toEqual(['WEFT_TOKEN_REVOKED'])
    expect(workflows()).toEqual([OVERLAY_WORKFLOW])
    expect(await harness.head(OVERLAY_WORKFLOW)).toMatchObject({ count: 1 })
    expect(await harness.log('w', 'zeta')).toEqual(records)
    const zeta = await harness.following({ tenant: 'zeta' })
    zeta.push(new Author(2).append())
    await until(async () => (await harness.head('w', 'zeta'))?.count === 2, 'the other goes on')
    expect(await harness.metric('weft_store_failures_total')).toBe(0)
  })

  it('is not among what the peer has read of logs any more', async () => {
    const { harness, contexts, drop } = await scene()
    await contexts[0]!.append('message', { text: 'x'.repeat(LARGE) }).committed
    await harness.restart()
    await until(async () => (await harness.metric('weft_read_cache_bytes')) > LARGE, 'its worker is back')
    await drop()
    expect(await harness.metric('weft_read_cache_bytes')).toBeLessThan(LARGE)
  })

  it('is brought back by nobody who has a context still, not even after a restart', async () => {
    const { harness, worker, contexts, drop, workflows } = await scene()
    const old = await harness.token()
    contexts[0]!.append('message', { text: 'never sent' })
    await drop()
    for (const restarted of [false, true]) {
      if (restarted) await harness.restart()
      expect((await rejectionOf(connect({ url: harness.url, token: old }))).code).toBe('WEFT_TOKEN_REVOKED')
      expect(workflows()).toEqual([OVERLAY_WORKFLOW])
    }
    expect(textsOf(contexts[0]!)).toContain('never sent')
    await worker.close({ discard: true })
  })

  it('begins anew with whoever has a token that was issued after it', async () => {
    const { harness, drop } = await scene()
    await drop()
    const replica = await harness.replica({ token: await later() })
    const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
    expect(context.entries()).toEqual([])
    await context.append('message', { text: 'new' }).committed
    expect(await harness.head('w')).toMatchObject({ count: 2 })
    const again = await harness.http('/drop?tenant=acme', {
      method: 'POST',
      headers: { authorization: `Bearer ${await later(ADMIN)}` },
    })
    expect(JSON.parse(again.text)).toEqual({ tenant: 'acme', workflows: 2, changes: 3 })
  })

  it('keeps nothing of what is written to it meanwhile', async () => {
    // Each commit has a webhook open the context, also while it is being ended.
    const webhooks = [{ ...HOOK, url: (await WebhookTarget.start()).url }]
    const { harness, contexts, drop, workflows, ended } = await scene({ webhooks })
    let writing = true
    const writers = contexts.map(async context => {
      for (let i = 0; writing; i++) {
        context.append('message', { text: `${i}` }).committed.catch(() => {})
        await new Promise(resolve => setImmediate(resolve))
      }
    })
    await new Promise(resolve => setTimeout(resolve, 20))
    const { body } = await drop()
    expect(body.changes).toBeGreaterThan(4)
    await until(() => ended.length > 0, 'its worker hears of it')
    writing = false
    await Promise.all(writers)
    expect(workflows()).toEqual([OVERLAY_WORKFLOW])
    expect(await harness.metric('weft_store_failures_total')).toBe(0)
  })

  it('lets nobody in while that is done, whatever their token, and is dropped once', async () => {
    const [held, begun] = [gateOf(), gateOf()]
    const disk = new MemoryDisk()
    const openStore = async () => holdingDrops(new MemoryStore(disk), held.opened, begun.open)
    const { harness, drop } = await scene({ openStore })
    const first = drop()
    await begun.opened
    for (const token of [await harness.token(), await later()]) {
      expect((await rejectionOf(connect({ url: harness.url, token }))).code).toBe('WEFT_TOKEN_REVOKED')
    }
    expect((await drop()).body.code).toBe('WEFT_TOKEN_REVOKED')
    await harness.following({ tenant: 'zeta' }, 'another')
    held.open()
    expect((await first).body).toMatchObject({ workflows: 2 })
    await (await connect({ url: harness.url, token: await later() })).close()
  })

  it('ends its feeds, and a webhook is told of what begins anew from its first event on', async () => {
    const target = await WebhookTarget.start()
    const webhooks = [
      { name: 'crm', tenant: 'acme', url: target.url, secret: 'a secret of the webhook, shared' },
    ]
    const { harness, drop } = await scene({ webhooks })
    await until(() => target.taken.length >= 4, 'it is told of what there is')
    const headers = { authorization: `Bearer ${await harness.token()}` }
    const feed = await SseReader.open(`${harness.url.replace('ws', 'http')}/feed/w`, { headers })
    await feed.take(2)
    await drop()
    expect(await feed.next()).toMatchObject({ event: 'fail', data: { code: 'WEFT_TOKEN_REVOKED' } })
    expect(await feed.next()).toBeUndefined()
    const before = target.taken.length
    const replica = await harness.replica({ token: await later() })
    const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
    await context.append('message', { text: 'new' }).committed
    await until(() => target.taken.length > before, 'it is told of what is new')
    expect(target.sequences[before]).toBe(1)
  })

  it('leaves nothing of a delivery that was parked', async () => {
    const target = await WebhookTarget.start()
    target.always = 503
    const limits = { webhook_backoff_ms: 1, webhook_attempts_max: 2 }
    const { harness, drop } = await scene({
      webhooks: [{ ...HOOK, url: target.url, workflows: 'w' }],
      limits,
    })
    await until(async () => (await harness.metric('weft_webhooks_parked')) === 1, 'it is parked')
    await drop()
    expect(await harness.metric('weft_webhooks_parked')).toBe(0)
    target.always = undefined
    const replica = await harness.replica({ token: await later() })
    const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
    await context.append('message', { text: 'new' }).committed
    await until(() => target.taken.length === 2, 'it is told of what is new')
    expect(target.sequences).toEqual([1, 2])
  })

  it('opens the store anew when a write of it fails, and is done by whoever asks again', async () => {
    const disk = new MemoryDisk()
    let opened = 0
    const openStore = async () =>
      ++opened === 1 ? failingOnDrop(new MemoryStore(disk)) : new MemoryStore(disk)
    const { harness, drop } = await scene({ openStore })
    expect((await drop()).body.code).toBe('WEFT_STORE_FAILED')
    await until(() => opened === 2, 'it is opened anew')
    expect(await harness.metric('weft_store_failures_total')).toBe(1)
    await until(async () => (await harness.http('/readyz')).status === 200, 'it serves again')
    expect((await drop()).body).toMatchObject({ tenant: 'acme', workflows: 2 })
    expect([...disk.tenants.get('acme')!.keys()]).toEqual([OVERLAY_WORKFLOW])
  })

  it('is gone without being asked for again where something that was needed for that did not answer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-drop-'))
    const keys = new WatchedKeys(await masterIn(folder))
    const level = await LevelHarness.make(keys)
    onTestFinished(async () => {
      await level.discard()
      await rm(folder, { recursive: true, force: true })
    })
    const { harness, drop } = await scene({ openStore: () => level.open() })
    const old = await harness.token()
    keys.down.add('acme')
    expect(await drop()).toMatchObject({ status: 503, body: { code: 'WEFT_STORE_KEY' } })
    // Whoever has to answer for it cannot even ask.
    expect(await drop()).toMatchObject({ status: 503, body: { code: 'WEFT_STORE_CLOSED' } })
    keys.down.delete('acme')
    const headers = { authorization: `Bearer ${await later(ADMIN)}` }
    await until(async () => (await harness.http('/contexts', { headers })).status === 200, 'it is dropped')
    const { text } = await harness.http('/contexts', { headers })
    expect(JSON.parse(text)).toMatchObject({ contexts: [{ workflow: OVERLAY_WORKFLOW, count: 1 }] })
    expect((await rejectionOf(connect({ url: harness.url, token: old }))).code).toBe('WEFT_TOKEN_REVOKED')
  })

  it('is gone, and its tokens are revoked, also when the peer dies at any moment of it', async () => {
    const level = await LevelHarness.make()
    const disk = new Disk()
    const openStore = () => level.open({ database: disk.database })
    const { harness, worker, drop } = await scene({ openStore })
    onTestFinished(() => level.discard())
    const moments: LevelHarness[] = []
    disk.fault = async write => {
      moments.push(await level.killed())
      await write()
      moments.push(await level.killed())
    }
    const old = await harness.token()
    await drop()
    await harness.stop()
    await worker.close({ discard: true })
    // Before and behind: that it begins, that the tenant is removed, that its tokens are revoked.
    expect(moments).toHaveLength(6)
    const [before, ...others] = moments
    expect(await codeOf(before!, old)).toBe('let in')
    for (const moment of others) expect(await codeOf(moment, old)).toBe('WEFT_TOKEN_REVOKED')
  })

  it('waits for whoever has a context in use, and gives them no more of it', async () => {
    const target = await WebhookTarget.start()
    const gate = gateOf()
    target.held = gate.opened
    const webhooks = [{ ...HOOK, url: target.url, workflows: 'w' }]
    const { harness, drop } = await scene({ webhooks })
    await until(() => target.received.length > 0, 'it is told of the first event')
    let isDropped = false
    const dropping = drop().finally(() => {
      isDropped = true
    })
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(isDropped).toBe(false)
    gate.open()
    await dropping
    expect(target.received).toHaveLength(1)
    expect(await harness.metric('weft_store_failures_total')).toBe(0)
  })

  it('is one that an admin of all of it has named, and no other', async () => {
    const { drop, workflows } = await scene()
    for (const [request, tenant, code] of [
      [{ scopes: ['read', 'write'] as const }, 'acme', 'WEFT_SCOPE'],
      [{ ...ADMIN, workflows: 'w*' }, 'acme', 'WEFT_WORKFLOW_FORBIDDEN'],
      [ADMIN, 'zeta', 'WEFT_USAGE'],
      [ADMIN, '', 'WEFT_USAGE'],
    ] as const) {
      expect((await drop(tenant, request)).body.code).toBe(code)
    }
    expect(workflows()).toEqual(['v', 'w'])
    expect(workflows('zeta')).toEqual(['w'])
  })
})
