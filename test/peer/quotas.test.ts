import { OVERLAY_WORKFLOW, RETENTION_OVERLAY, WAKES_BRANCH } from '@weft/core'
import {
  DEFAULT_LIMITS,
  ENGINE_RESERVE_BYTES,
  HOUSEKEEPING_RESERVE_BYTES,
  type TenantQuota,
  TokenBucket,
} from '@weft/peer'
import { defineContext } from '@weft/replica'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { MemoryDisk } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'

const Talk = defineContext({
  name: 'talk',
  version: 1,
  entries: { message: z.object({ text: z.string() }) },
})

function quotaOf(quota: Partial<TenantQuota>, rest = {}) {
  return { limits: { quota: { ...DEFAULT_LIMITS.quota, ...quota }, ...rest } }
}

const TEXT = 'x'.repeat(1_000)

describe('[TEN-2] a tenant that stores as much as it may', () => {
  test('is refused what is more, its writer hears of it, and nothing has changed', async () => {
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 5_000 }))
    const replica = await harness.replica()
    const context = await replica.open(Talk, { workflow: 'w', agent: 'a' })
    for (let i = 0; i < 3; i++) await context.append('message', { text: TEXT }).committed
    const before = await harness.ids()
    const refused = context.append('message', { text: `${TEXT}${TEXT}` })
    await expect(refused.committed).rejects.toMatchObject({
      code: 'WEFT_QUOTA_BYTES',
      details: { bytes_max: 5_000 },
    })
    expect(await harness.ids()).toEqual(before)
    expect(context.entries().map(({ value }) => value)).toHaveLength(3)
    // What fits is taken all the same, and another tenant has its own.
    await context.append('message', { text: 'short' }).committed
    const other = await harness.following({ tenant: 'zeta' })
    other.push(new Author(1).append(3_000))
    await other.next('log')
  })

  test('is known again after a restart', async () => {
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 5_000 }), new MemoryDisk())
    const author = new Author(1)
    const client = await harness.following()
    client.push(author.append(4_000))
    await client.next('log')
    await harness.restart()
    const again = await harness.following()
    again.push(author.append(2_000))
    expect(await again.next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
  })

  test('can still withdraw and revoke, within a reserve', async () => {
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 1 }))
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    await admin.overlays.publish('house', { prompt: 'stop' })
    expect((await harness.head(OVERLAY_WORKFLOW))?.count).toBe(1)
    const large = 900_000
    for (let room = ENGINE_RESERVE_BYTES - 1_000; room > large; room -= large)
      await admin.overlays.publish('house', { prompt: 'x'.repeat(large) })
    await expect(admin.overlays.publish('house', { prompt: 'x'.repeat(900_000) })).rejects.toMatchObject({
      code: 'WEFT_QUOTA_BYTES',
    })
  })

  test('can still acknowledge events, erase content and complete contexts, and so make room', async () => {
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 5_000 }))
    const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
    const context = await (await harness.replica({ token })).open(Talk, { workflow: 'w', agent: 'a' })
    const said = context.append('message', { text: TEXT })
    await said.committed
    const events = await context.subscribe('pool', { kinds: ['message'] })
    const fill = async (): Promise<unknown> => {
      for (;;) await context.append('message', { text: '' }).committed
    }
    await expect(fill()).rejects.toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
    await (await events.claim()).ack()
    expect(await context.erase([said.change!], { reason: 'asked for' })).toMatchObject({ already: [] })
    await context.complete({ reason: 'delivered' }).committed
    await expect(fill()).rejects.toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
  })

  test('uses that reserve up, and what binds the whole tenant has its own', async () => {
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 1 }))
    const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
    const admin = await harness.replica({ token })
    const client = await harness.following()
    const filler = new Author(1, undefined, [], WAKES_BRANCH)
    const large = 300_000
    for (let room = HOUSEKEEPING_RESERVE_BYTES; room > large; room -= large) {
      client.push(filler.append(large))
      await client.next('log')
    }
    client.push(filler.append(large))
    expect(await client.next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
    await admin.overlays.publish('house', { prompt: 'stop' })
    expect((await harness.head(OVERLAY_WORKFLOW))?.count).toBe(1)
  })

  test('can do so also when its quota was made smaller than what it has', async () => {
    const disk = new MemoryDisk()
    const before = await PeerHarness.start({}, disk)
    const writer = await before.following()
    writer.push(new Author(1).append(700_000))
    writer.push(new Author(2).append(700_000))
    await until(async () => (await before.head())?.count === 2, 'it is written')
    await before.stop()
    const harness = await PeerHarness.start(quotaOf({ bytes_max: 1_000 }), disk)
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    await admin.overlays.publish('house', { prompt: 'stop' })
    expect((await harness.head(OVERLAY_WORKFLOW))?.count).toBe(1)
  })

  test('is told of in the log once, by name, and counted without one', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: line => void lines.push(line) })
    const harness = await PeerHarness.start({ ...quotaOf({ bytes_max: 100 }), logger })
    const client = await harness.following()
    client.push(new Author(1).append(200), new Author(2).append(200))
    for (let i = 0; i < 2; i++) await client.next('refuse')
    const told = lines.map(line => JSON.parse(line)).filter(({ code }) => code === 'WEFT_QUOTA_BYTES')
    expect(told).toMatchObject([{ tenant: 'acme' }])
    const { text } = await harness.http('/metrics')
    expect(text).toContain('weft_changes_refused_total{code="WEFT_QUOTA_BYTES"} 2')
    expect(text).not.toContain('acme')
  })

  test('has room again for what retention removed', async () => {
    const harness = await PeerHarness.start(quotaOf({ contexts_max: 1 }))
    const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
    const admin = await harness.replica({ token })
    const done = await admin.open(Talk, { workflow: 'done', agent: 'a' })
    await done.complete().committed
    await done.close()
    await admin.overlays.publish(RETENTION_OVERLAY, { keep_ms: 0 })
    const client = await harness.following({}, 'next')
    const first = new Author(1).append()
    client.push(first)
    expect(await client.next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_CONTEXTS' })
    const request = { method: 'POST', headers: { authorization: `Bearer ${token}` } }
    const removes = async () =>
      JSON.parse((await harness.http('/retention', request)).text).removed.length === 1
    await until(removes, 'nobody has it open any more, and it is removed')
    client.push(first)
    await client.next('log')
  })
})

describe('[TEN-2] a tenant’s contexts', () => {
  test('are so many and no more; those that are there go on, and one that is empty counts for nothing', async () => {
    const harness = await PeerHarness.start(quotaOf({ contexts_max: 2 }))
    const authors = [new Author(1), new Author(2)]
    for (const [index, author] of authors.entries()) {
      const client = await harness.following({}, `w-${index}`)
      client.push(author.append())
      await client.next('log')
    }
    await harness.following({}, 'only-looked-at')
    const third = await harness.following({}, 'w-2')
    third.push(new Author(3).append())
    expect(await third.next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_CONTEXTS' })
    const first = await harness.following({}, 'w-0')
    first.push(authors[0]!.append())
    await until(async () => (await harness.head('w-0'))?.count === 2, 'it goes on')
  })

  test('are told from the engine’s own after a restart, too', async () => {
    const harness = await PeerHarness.start(quotaOf({ contexts_max: 1 }), new MemoryDisk())
    const token = await harness.token({ scopes: ['read', 'write', 'admin'] })
    const admin = await harness.connect({ token })
    await admin.overlays.publish('house', { prompt: 'go on' })
    await admin.close()
    await harness.restart()
    const client = await harness.following()
    client.push(new Author(1).append())
    await client.next('log')
  })

  test('are as many as its own quota says, whatever that of the others', async () => {
    const harness = await PeerHarness.start(
      quotaOf({ contexts_max: 1 }, { quotas: { acme: { contexts_max: 2 } } }),
    )
    for (const workflow of ['a', 'b']) {
      const client = await harness.following({}, workflow)
      client.push(new Author(1).append())
      await client.next('log')
    }
    const other = await harness.following({ tenant: 'zeta' }, 'a')
    other.push(new Author(1).append())
    await other.next('log')
    const second = await harness.following({ tenant: 'zeta' }, 'b')
    second.push(new Author(1).append())
    expect(await second.next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_CONTEXTS' })
  })
})

describe('[TEN-2] a tenant’s rate', () => {
  test('slows it down, and nothing is refused', async () => {
    const harness = await PeerHarness.start(quotaOf({ changes_per_second_max: 200 }))
    const client = await harness.following()
    const changes = new Author(1).appends(400)
    for (const change of changes) client.push(change)
    const other = await harness.following({ tenant: 'zeta' })
    other.push(new Author(2).append())
    await other.next('log')
    await until(async () => (await harness.head())?.count === 400, 'all is written in the end')
    expect(await harness.metric('weft_rate_waits_total')).toBeGreaterThan(0)
    expect(client.inbox.filter(({ name }) => name === 'refuse')).toEqual([])
  })

  test('ends a connection whose changes wait too long; its replica offers them again, and none is lost', async () => {
    const harness = await PeerHarness.start(
      quotaOf({ changes_per_second_max: 50 }, { rate_wait_ms_max: 100 }),
    )
    const codes: string[] = []
    const replica = await harness.replica({
      onEvent: event => {
        if (event.type === 'disconnected') codes.push(event.reason)
      },
    })
    const context = await replica.open(Talk, { workflow: 'w', agent: 'a' })
    const receipts = Array.from({ length: 200 }, (_, index) =>
      context.append('message', { text: `${index}` }),
    )
    await Promise.all(receipts.map(({ committed }) => committed))
    expect((await harness.head())?.count).toBe(200)
    expect(await harness.metric('weft_connections_failed_total')).toBe(codes.length)
    for (const code of codes) expect(code).toBe('WEFT_QUOTA_RATE')
  })

  test('does not hold up what binds the whole tenant', async () => {
    const harness = await PeerHarness.start(
      quotaOf({ changes_per_second_max: 1 }, { rate_wait_ms_max: 3_600_000 }),
    )
    const flood = await harness.following()
    flood.push(...new Author(1).appends(300))
    await until(async () => (await harness.metric('weft_rate_waits_total')) > 0, 'it waits')
    const admin = await harness.replica({
      token: await harness.token({ scopes: ['read', 'write', 'admin'] }),
    })
    await admin.overlays.publish('house', { prompt: 'stop' })
    expect((await harness.head(OVERLAY_WORKFLOW))?.count).toBe(1)
  })
})

describe('a token bucket', () => {
  test('holds a second of its rate, and is filled by time alone', () => {
    const bucket = new TokenBucket(10, 0)
    expect(bucket.wait_ms(0)).toBe(0)
    bucket.take(10, 0)
    expect(bucket.wait_ms(0)).toBe(100)
    expect(bucket.wait_ms(50)).toBe(50)
    expect(bucket.wait_ms(100)).toBe(0)
    expect(bucket.isFull(60_000)).toBe(true)
    bucket.take(11, 60_000)
    expect(bucket.wait_ms(60_000)).toBe(200)
    expect(bucket.isFull(60_100)).toBe(false)
  })

  test('that was overdrawn is empty for as long as that takes', () => {
    const bucket = new TokenBucket(10, 1_000)
    bucket.take(40, 1_000)
    expect(bucket.wait_ms(1_000)).toBe(3_100)
    expect(bucket.wait_ms(4_100)).toBe(0)
  })
})
