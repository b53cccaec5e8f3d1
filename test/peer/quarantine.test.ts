import { connect, defineContext, type Replica } from '@weft/replica'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'

const Note = defineContext({
  name: 'note',
  version: 1,
  state: z.object({}),
  entries: { line: z.string() },
  initial: {},
})

/** A peer that has just begun has nothing of a log in memory, then, that it could read from instead of the disk. */
const NOTHING_KEPT = { limits: { read_cache_bytes_max: 0 } }

function open(replica: Replica, workflow: string) {
  return replica.open(Note, { workflow, agent: 'a' })
}

/** Writes lines to a context, and waits until they are durable. */
async function write(replica: Replica, workflow: string, count: number) {
  const context = await open(replica, workflow)
  for (let n = 0; n < count; n++) context.append('line', `${workflow} ${n}`)
  await context.flush({ timeout_ms: 10_000 })
  return context
}

function flip(harness: PeerHarness, workflow: string, position: number): void {
  const { bytes } = harness.disk.tenants.get('acme')!.get(workflow)!.records[position - 1]!
  bytes[bytes.length >> 1]! ^= 1
}

test('[DUR-4] a damaged context is refused by code to whoever opens it, and others are served and written to', async () => {
  const harness = await PeerHarness.start()
  const writer = await harness.replica()
  for (const workflow of ['w', 'other']) await write(writer, workflow, 5)
  await writer.close()
  flip(harness, 'w', 3)
  const before = structuredClone(harness.disk.tenants.get('acme')!.get('w'))
  await harness.restart()
  const replica = await harness.replica()
  for (let again = 0; again < 2; again++) {
    expect(await rejectionOf(open(replica, 'w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
  }
  await write(replica, 'other', 2)
  expect(await harness.ids('other')).toHaveLength(7)
  expect(harness.disk.tenants.get('acme')!.get('w')).toEqual(before)
  expect(await harness.metric('weft_contexts_quarantined')).toBe(1)
  expect(await harness.metric('weft_contexts_damaged_total')).toBeGreaterThan(0)
})

test('[DUR-4] damage that is found while a context is open ends it for all who follow it, and nothing is written to it', async () => {
  const harness = await PeerHarness.start(NOTHING_KEPT)
  const first = await harness.replica()
  await write(first, 'w', 5)
  await harness.restart()
  const context = await open(first, 'w')
  const other = await write(first, 'other', 1)
  await context.flush({ timeout_ms: 10_000 })
  flip(harness, 'w', 3)
  const second = await harness.replica()
  expect(await rejectionOf(open(second, 'w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
  const before = harness.gate.appends
  context.append('line', 'too late')
  expect(await rejectionOf(context.flush({ timeout_ms: 10_000 }))).toMatchObject({
    code: 'WEFT_STORE_CORRUPT',
  })
  expect(harness.gate.appends).toBe(before)
  other.append('line', 'goes on')
  await other.flush({ timeout_ms: 10_000 })
  expect(await harness.metric('weft_contexts_quarantined')).toBe(1)
})

test('[DUR-4] [DUR-3] what is under way when damage is found is told as not known: it may be written all the same', async () => {
  const harness = await PeerHarness.start(NOTHING_KEPT)
  const first = await harness.replica()
  await write(first, 'w', 5)
  await harness.restart()
  const context = await write(first, 'w', 1)
  const { count } = (await harness.head())!
  flip(harness, 'w', 3)
  const release = harness.gate.hold()
  const { appends } = harness.gate
  const proposed = rejectionOf(context.propose(draft => void draft.append('line', 'proposed'), {}))
  await until(() => harness.gate.appends > appends, 'it is being written')
  const committed = rejectionOf(context.append('line', 'behind it').committed)
  const second = await harness.replica()
  expect(await rejectionOf(open(second, 'w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
  for (const unknown of [await proposed, await committed])
    expect(unknown).toMatchObject({ code: 'WEFT_NOT_SYNCED', cause: { code: 'WEFT_STORE_CORRUPT' } })
  release()
  await until(async () => (await harness.head())!.count === count + 1, 'it is written')
})

test('[DUR-4] an append that the store refuses for damage quarantines its context and does not close the store', async () => {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const context = await write(replica, 'w', 5)
  const other = await write(replica, 'other', 1)
  harness.disk.tenants.get('acme')!.get('w')!.records.pop()
  const { opened } = harness.gate
  context.append('line', 'onto nothing')
  expect(await rejectionOf(context.flush({ timeout_ms: 10_000 }))).toMatchObject({
    code: 'WEFT_STORE_CORRUPT',
  })
  other.append('line', 'goes on')
  await other.flush({ timeout_ms: 10_000 })
  expect(harness.gate.opened).toBe(opened)
})

test('[DUR-4] a feed of a context that turns out damaged ends with the reason', async () => {
  const harness = await PeerHarness.start(NOTHING_KEPT)
  const replica = await connect({ url: harness.url, token: await harness.token() })
  await write(replica, 'w', 5)
  await replica.close()
  await harness.restart()
  const auth = { headers: { authorization: `Bearer ${await harness.token()}` } }
  const feed = (from: number) => harness.http(`/feed/w?from=${from}`, auth)
  const following = feed(6)
  await until(async () => (await harness.metric('weft_feeds_open')) === 1, 'the feed is open')
  flip(harness, 'w', 3)
  const { text } = await feed(1)
  expect(text).toContain('WEFT_STORE_CORRUPT')
  expect((await following).text).toContain('WEFT_STORE_CORRUPT')
})
