import {
  isRevoked,
  NOTHING_REVOKED,
  OVERLAY_WORKFLOW,
  REVOCATIONS_OVERLAY,
  type Revocations,
  WeftError,
} from '@weft/core'
import type { PeerOptions } from '@weft/peer'
import { decodeJwt } from 'jose'
import { connect, type Replica, type ReplicaEvent, revokeTokens } from '@weft/replica'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { MemoryDisk, MemoryStore, type StoredContext } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { gateOf, rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { researchOn, sharingStep, StockClient } from '../support/scratch-clients.ts'
import { SseReader } from '../support/sse-reader.ts'
import { WireClient } from '../support/wire-client.ts'

const ADMIN = { scopes: ['read', 'write', 'admin'] as const }

async function scene(options: Partial<PeerOptions> = {}) {
  const harness = await PeerHarness.start(options)
  const admin = await harness.replica({ token: await harness.token(ADMIN) })
  const tokenOf = (subject: string) => harness.token({ subject })
  const worker = async (token: string): Promise<{ replica: Replica; failed: Promise<string> }> => {
    let tell = (_: string): void => {}
    const failed = new Promise<string>(resolve => {
      tell = resolve
    })
    const replica = await harness.replica({
      token,
      onEvent: event => {
        if (event.type === 'failed') tell(event.error.code)
      },
    })
    return { replica, failed }
  }
  return { harness, admin, tokenOf, worker }
}

function cutOff(records: StoredContext['records'], index: number): void {
  const record = records[index]!
  records[index] = { ...record, bytes: record.bytes.slice(1) }
}

describe('[TEN-5] a token that is revoked', () => {
  it('ends its live connections, and opens no other; those of other tokens go on', async () => {
    const { harness, admin, tokenOf, worker } = await scene()
    const [mine, other] = [await tokenOf('a'), await tokenOf('a')]
    const { failed } = await worker(mine)
    const still = await worker(other)
    const context = await still.replica.open(Research, { workflow: 'w', agent: 'a' })
    const { jti, exp } = decodeJwt(mine)
    await revokeTokens(admin, { token: jti!, expires: exp! }, { reason: 'was logged' })
    expect(await failed).toBe('WEFT_TOKEN_REVOKED')
    expect((await rejectionOf(connect({ url: harness.url, token: mine }))).code).toBe('WEFT_TOKEN_REVOKED')
    await context.append('message', { text: 'still here' }).committed
    const [version] = await admin.overlays.history(REVOCATIONS_OVERLAY.name)
    expect(version).toMatchObject({ reason: 'was logged', value: { tokens: { [jti!]: exp } } })
  })

  it('is told by the close code that asks for a new one', async () => {
    const { harness, admin, tokenOf } = await scene()
    const client = await WireClient.following(harness.url, await tokenOf('a'), 'w')
    onTestFinished(() => void client.socket.terminate())
    const closed = new Promise(resolve =>
      client.socket.on('close', (code, reason) => resolve([code, String(reason)])),
    )
    await revokeTokens(admin, { subject: 'a' })
    expect(await closed).toEqual([4401, 'WEFT_TOKEN_REVOKED'])
  })

  it('is renewed by a replica that can get another', async () => {
    const { harness, admin } = await scene()
    let subject = 'old'
    const replica = await harness.replica({ token: () => harness.token({ subject }) })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    subject = 'new'
    await revokeTokens(admin, { subject: 'old' })
    await context.append('message', { text: 'goes on' }).committed
    expect(textsOf(context)).toEqual(['goes on'])
  })

  it('ends feeds and shared scratches too', async () => {
    const { harness, admin, tokenOf } = await scene()
    const token = await tokenOf('a')
    const context = await researchOn(harness)
    await context.append('message', { text: 'one' }).committed
    const headers = { authorization: `Bearer ${token}` }
    const feed = await SseReader.open(`http://127.0.0.1:${harness.peer.port}/feed/w`, { headers })
    await feed.take(2)
    const held = await sharingStep(context)
    const watcher = await StockClient.synced(held.place, token)
    await revokeTokens(admin, { subject: 'a' })
    expect((await watcher.closed).code).toBe(4401)
    expect(await feed.next()).toMatchObject({ event: 'fail', data: { code: 'WEFT_TOKEN_REVOKED' } })
    await held.end()
    const refused = await harness.http('/feed/w', { headers })
    expect(refused.status).toBe(401)
  })

  it('ends a feed whose context is still being opened', async () => {
    const opening = gateOf()
    const goOn = gateOf()
    const store = overriding(new MemoryStore(new MemoryDisk()), inner => ({
      async head(workflow) {
        if (workflow === 'slow') {
          opening.open()
          await goOn.opened
        }
        return inner.head(workflow)
      },
    }))
    const { harness, admin, tokenOf } = await scene({ openStore: async () => store })
    const headers = { authorization: `Bearer ${await tokenOf('a')}` }
    const feed = harness.http('/feed/slow', { headers })
    await opening.opened
    await revokeTokens(admin, { subject: 'a' })
    goOn.open()
    const { status, text } = await feed
    expect([status, JSON.parse(text).code]).toEqual([401, 'WEFT_TOKEN_REVOKED'])
  })

  it('ends who was let in by what was revoked before, as it was read while more was revoked', async () => {
    const goOn = gateOf()
    const reading = gateOf()
    let reads = 0
    const store = overriding(new MemoryStore(new MemoryDisk()), inner => ({
      async head(workflow) {
        const head = await inner.head(workflow)
        if (workflow === OVERLAY_WORKFLOW && ++reads === 1) {
          reading.open()
          await goOn.opened
        }
        return head
      },
    }))
    const harness = await PeerHarness.start({ openStore: async () => store })
    const token = await harness.token({ subject: 'a' })
    const told = new Promise<string>(resolve => {
      const onEvent = (event: ReplicaEvent) => void (event.type === 'failed' && resolve(event.error.code))
      void harness.replica({ token, onEvent })
    })
    await reading.opened
    const admin = await harness.replica({ token: await harness.token(ADMIN) })
    await revokeTokens(admin, { subject: 'a' })
    await admin.close()
    goOn.open()
    expect(await told).toBe('WEFT_TOKEN_REVOKED')
  })

  it('stays revoked when the peer begins anew, and while the tenant has nothing open', async () => {
    const { harness, admin, tokenOf } = await scene()
    const token = await tokenOf('a')
    await revokeTokens(admin, { subject: 'a' })
    await admin.close()
    await harness.restart()
    expect((await rejectionOf(connect({ url: harness.url, token }))).code).toBe('WEFT_TOKEN_REVOKED')
    await connect({ url: harness.url, token: await tokenOf('b') }).then(replica => replica.close())
  })

  it('lets nobody in while the disk does not say what is revoked', async () => {
    let broken = false
    let failed = 0
    const disk = new MemoryDisk()
    const openStore = async () =>
      overriding(new MemoryStore(disk), inner => ({
        async head(workflow) {
          if (!broken || workflow !== OVERLAY_WORKFLOW) return inner.head(workflow)
          failed++
          throw new WeftError('WEFT_STORE_FAILED', 'a read failed', 'see to the disk')
        },
      }))
    const { harness, admin, tokenOf } = await scene({ openStore })
    const token = await tokenOf('a')
    await revokeTokens(admin, { subject: 'a' })
    await admin.close()
    await harness.restart()
    broken = true
    const events: ReplicaEvent[] = []
    const connecting = rejectionOf(
      connect({ url: harness.url, token, onEvent: event => void events.push(event) }),
    )
    await until(() => failed > 2, 'it was asked for again')
    broken = false
    expect((await connecting).code).toBe('WEFT_TOKEN_REVOKED')
    expect(events.filter(({ type }) => type === 'connected')).toEqual([])
  })

  it('lets nobody go on when that fails as it is looked at again', async () => {
    let reads = 0
    const store = overriding(new MemoryStore(new MemoryDisk()), inner => ({
      async head(workflow) {
        if (workflow !== OVERLAY_WORKFLOW || ++reads !== 2) return inner.head(workflow)
        throw new WeftError('WEFT_STORE_FAILED', 'a read failed', 'see to the disk')
      },
    }))
    const harness = await PeerHarness.start({ openStore: async () => store })
    const events: ReplicaEvent[] = []
    await harness.replica({ onEvent: event => void events.push(event) })
    await until(() => events.filter(({ type }) => type === 'connected').length === 2, 'it is back')
    expect(events[1]).toMatchObject({ type: 'disconnected', reason: 'WEFT_STORE_FAILED' })
  })

  it('[TEN-1] is revoked for its own tenant alone', async () => {
    const { harness, admin } = await scene()
    const other = await harness.replica({ token: await harness.token({ tenant: 'zeta', subject: 'a' }) })
    const context = await other.open(Research, { workflow: 'w', agent: 'a' })
    await revokeTokens(admin, { all: true })
    await until(() => !admin.online, 'the admin has revoked its own')
    await context.append('message', { text: 'untouched' }).committed
  })

  it('is not forgotten when two admins revoke at once', async () => {
    const { harness, admin } = await scene()
    const second = await harness.replica({ token: await harness.token(ADMIN) })
    await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        revokeTokens(index % 2 === 0 ? admin : second, { token: `t-${index}`, expires: 9_999_999_999 }),
      ),
    )
    const { value } = (await second.overlays.get(REVOCATIONS_OVERLAY))!
    expect(Object.keys(value.tokens).sort()).toEqual(['t-0', 't-1', 't-2', 't-3', 't-4', 't-5'])
  })

  it('takes an admin of all workflows, and what is none is refused at the door', async () => {
    const { harness, admin } = await scene()
    const worker = await harness.replica()
    expect((await rejectionOf(revokeTokens(worker, { all: true }))).code).toBe('WEFT_SCOPE')
    for (const value of [{}, { tokens: { a: 'x' }, subjects: {}, all: null }, null])
      expect((await rejectionOf(admin.overlays.publish('weft.revocations', value))).code).toBe(
        'WEFT_SCHEMA_REFUSED',
      )
    expect((await rejectionOf(revokeTokens(admin, { token: '', expires: 1 }))).code).toBe('WEFT_USAGE')
    expect(await harness.head('@overlays')).toBeUndefined()
  })

  it.each<[string, (log: StoredContext) => void]>([
    ['behind it', ({ records }) => cutOff(records, 2)],
    ['before it', ({ records }) => cutOff(records, 0)],
    [
      'at its head',
      log => {
        log.head = { ...log.head, count: 1 }
      },
    ],
  ])('[DUR-4] stays revoked though the log that says so is damaged %s', async (_, damage) => {
    const { harness, admin, tokenOf } = await scene()
    const token = await tokenOf('a')
    await admin.overlays.publish('house', 'rules')
    await revokeTokens(admin, { subject: 'a' })
    await admin.overlays.publish('house', 'other rules')
    await admin.close()
    await harness.stop()
    damage(harness.disk.tenants.get('acme')!.get(OVERLAY_WORKFLOW)!)
    await harness.restart()
    expect((await rejectionOf(connect({ url: harness.url, token }))).code).toBe('WEFT_TOKEN_REVOKED')
    await connect({ url: harness.url, token: await tokenOf('b') }).then(replica => replica.close())
  })
})

test.each<[string, Partial<Revocations>, boolean]>([
  ['by its id', { tokens: { t: 50 } }, true],
  ['by another id', { tokens: { u: 50 } }, false],
  ['by its subject, when it was issued', { subjects: { s: 10 } }, true],
  ['by its subject, before', { subjects: { s: 9 } }, false],
  ['by another subject', { subjects: { toString: 99 } }, false],
  ['with all', { all: 10 }, true],
  ['with all, before', { all: 9 }, false],
])('[TEN-5] a token may be revoked %s', (_, revoked, expected) => {
  const revocations = { ...NOTHING_REVOKED, ...revoked }
  expect(isRevoked(revocations, { id: 't', subject: 's', issued: 10 })).toBe(expected)
  expect(isRevoked(revocations, { id: undefined, subject: undefined, issued: undefined })).toBe(
    'all' in revoked,
  )
  expect(isRevoked(revocations, { id: 'toString', subject: 'valueOf', issued: 99 })).toBe(false)
})
