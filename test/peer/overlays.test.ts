import type { Change } from '@weft/core'
import type { TokenRequest } from '@weft/peer'
import { describe, expect, test } from 'vitest'
import { publication, stepUnder } from '../support/overlay-changes.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { WireClient } from '../support/wire-client.ts'

const LOG = '@overlays'
const ADMIN: Partial<TokenRequest> = { scopes: ['read', 'write', 'admin'] }
/** So long that it does not run out while a test runs. */
const LEASE_MS = 600_000
const BEFORE = expect.stringMatching(/before the peer began/)

const start = (overlay_lease_ms = LEASE_MS) => PeerHarness.start({ limits: { overlay_lease_ms } })

/** What the peer answers to a change: nothing, or the code of its refusal. */
async function answerTo(client: WireClient, change: Change): Promise<string> {
  const { length } = client.inbox
  client.push(change)
  // An answer to a question that comes behind it.
  client.send({ name: 'attest', request: 9, workflow: 'nowhere', position: 0 })
  await client.next('denied')
  const refused = client.inbox.slice(length).find(message => message.name === 'refuse')
  if (refused) client.inbox.splice(client.inbox.indexOf(refused), 1)
  return refused ? refused.code : 'taken'
}

/** Publishes, and waits until it is on disk. */
async function publish(admin: WireClient, version: number): Promise<void> {
  admin.push(publication('house', version))
  await admin.next('log')
}

describe('[TEN-3] the engine’s own workflows', () => {
  test.each([
    '@',
    '@other',
    '@overlays2',
    '@Overlays',
    '@@overlays',
    'overlays@',
  ])('are no others: %s', async workflow => {
    const harness = await start()
    const client = await WireClient.welcomed(harness.url, await harness.token(ADMIN))
    client.open(workflow)
    expect(await client.next('fail')).toMatchObject({ channel: 1, code: 'WEFT_ID_INVALID' })
  })

  test('[OVL-1] are read by whoever may read, whatever the pattern of the token', async () => {
    const harness = await start()
    const admin = await harness.following(ADMIN, LOG)
    await publish(admin, 1)
    const reader = await harness.following({ scopes: ['read'], workflows: 'wf-*' }, LOG)
    expect((await reader.next('log')).items).toHaveLength(1)
    const blind = await WireClient.welcomed(harness.url, await harness.token({ scopes: ['write'] }))
    blind.open(LOG)
    expect(await blind.next('fail')).toMatchObject({ channel: 1, code: 'WEFT_SCOPE' })
  })

  test('[TEN-1] [OVL-1] are of one tenant', async () => {
    const harness = await start()
    await publish(await harness.following(ADMIN, LOG), 1)
    const other = await harness.following({ ...ADMIN, tenant: 'other' }, LOG)
    expect(await answerTo(other, publication('house', 1))).toBe('taken')
    const step = await harness.following({ tenant: 'third' })
    expect(await answerTo(step, stepUnder({}))).toBe('taken')
  })

  test.each<[string, Partial<TokenRequest>, string]>([
    ['without the scope', { scopes: ['read', 'write'] }, 'WEFT_SCOPE'],
    ['with a token for some workflows', { ...ADMIN, workflows: 'wf-*' }, 'WEFT_WORKFLOW_FORBIDDEN'],
    ['with a token whose pattern happens to match', { ...ADMIN, workflows: '*s' }, 'WEFT_WORKFLOW_FORBIDDEN'],
  ])('[OVL-1] [DUR-7] are written by nobody %s', async (_, request, code) => {
    const harness = await start()
    const client = await harness.following(request, LOG)
    client.push(publication('house', 1))
    expect(await client.next('refuse')).toMatchObject({ code })
    expect(await harness.ids(LOG)).toEqual([])
  })
})

describe('[OVL-3] a step’s change', () => {
  test('is taken until a newer version is, and never again', async () => {
    const harness = await start()
    const admin = await harness.following(ADMIN, LOG)
    const worker = await harness.following()
    expect(await answerTo(worker, stepUnder({}))).toBe('taken')
    await publish(admin, 1)
    expect(await answerTo(worker, stepUnder({}))).toBe('WEFT_OVERLAY_STALE')
    expect(await answerTo(worker, stepUnder({ house: 1 }))).toBe('taken')
    await publish(admin, 2)
    expect(await answerTo(worker, stepUnder({ house: 1 }))).toBe('WEFT_OVERLAY_STALE')
  })

  test('is held against what was published before the peer began, and before the context was opened', async () => {
    const harness = await start()
    await publish(await harness.following(ADMIN, LOG), 1)
    await harness.restart()
    const worker = await harness.following()
    expect(await answerTo(worker, stepUnder({}))).toBe('WEFT_OVERLAY_STALE')
    expect(await answerTo(worker, stepUnder({ house: 1 }))).toBe('taken')
  })

  test('that the log holds already is acknowledged again, whatever has been published since', async () => {
    const harness = await start()
    const worker = await harness.following()
    const change = stepUnder({})
    worker.push(change)
    await worker.next('log')
    await publish(await harness.following(ADMIN, LOG), 1)
    worker.push(change)
    expect((await worker.next('ack')).positions).toEqual([1])
  })

  test('[DUR-4] is refused while the log of overlays is damaged; what says nothing of overlays is taken', async () => {
    const harness = await start()
    await publish(await harness.following(ADMIN, LOG), 1)
    await harness.stop()
    const stored = harness.disk.tenants.get('acme')!.get(LOG)!
    stored.records[0]!.bytes[80]! ^= 1
    await harness.restart()
    const worker = await harness.following()
    expect(await answerTo(worker, stepUnder({ house: 1 }))).toBe('WEFT_STORE_CORRUPT')
    expect(await answerTo(worker, publication('x', 1, {}, { notes: {} }))).toBe('taken')
  })
})

describe('[OVL-2] [OVL-3] who is asked about, and waited for', () => {
  const confirm = async (client: WireClient, position: number, last = new Uint8Array(0)) => {
    client.send({ name: 'confirm', request: 1, position, last })
    return client.next('current')
  }
  const barrier = async (client: WireClient, position: number, timeout_ms = 10_000) => {
    client.send({ name: 'barrier', request: 2, position, timeout_ms })
    return client.next('barred')
  }

  test('knows all of the log, and not one of another history', async () => {
    const harness = await start()
    const admin = await harness.following(ADMIN, LOG)
    expect(await confirm(admin, 0)).toMatchObject({ position: 0, ttl_ms: LEASE_MS })
    const change = publication('house', 1)
    admin.push(change)
    await admin.next('log')
    const last = Uint8Array.from(Buffer.from(change.id, 'hex'))
    expect(await confirm(admin, 0)).toMatchObject({ position: 1, ttl_ms: 0 })
    expect(await confirm(admin, 1, last)).toMatchObject({ position: 1, ttl_ms: LEASE_MS })
    expect(
      await confirm(
        admin,
        1,
        last.map(byte => byte ^ 1),
      ),
    ).toMatchObject({ ttl_ms: 0 })
    expect(await confirm(admin, 2, last)).toMatchObject({ ttl_ms: 0 })
  })

  /** The first version is published, and somebody else knows it. */
  async function known(harness: PeerHarness) {
    const admin = await harness.following(ADMIN, LOG)
    await publish(admin, 1)
    const other = await harness.following({ subject: 'pool-7' }, LOG)
    const [id] = await harness.ids(LOG)
    expect((await confirm(other, 1, Uint8Array.from(Buffer.from(id!, 'hex')))).ttl_ms).toBeGreaterThan(0)
    return { admin, other }
  }

  test('is named when the time is up, with how long it may last; a connection that breaks ends nothing', async () => {
    const { admin, other } = await known(await start())
    expect((await barrier(admin, 1, 0)).holders).toEqual([BEFORE])
    await publish(admin, 2)
    const held = await barrier(admin, 2, 1)
    expect(held.holders).toEqual([BEFORE, 'test (pool-7)'])
    expect(held.left_ms).toBeGreaterThan(0)
    expect(held.left_ms).toBeLessThanOrEqual(LEASE_MS)
    other.socket.terminate()
    await other.closed
    expect((await barrier(admin, 2, 1)).holders).toEqual([BEFORE, 'test (pool-7)'])
  })

  test('is nobody whose time is up', async () => {
    const { admin, other } = await known(await start(200))
    other.socket.terminate()
    await publish(admin, 2)
    expect(await barrier(admin, 2, 600_000)).toMatchObject({ holders: [], left_ms: 0 })
  })

  test('is nobody who has stopped following', async () => {
    const { admin, other } = await known(await start())
    other.send({ name: 'shut', channel: 1 })
    other.send({ name: 'attest', request: 9, workflow: 'nowhere', position: 0 })
    await other.next('denied')
    await publish(admin, 2)
    expect((await barrier(admin, 2, 0)).holders).toEqual([BEFORE])
  })

  test.each<[string, Partial<TokenRequest>, string]>([
    ['by who is no admin', {}, 'WEFT_SCOPE'],
    ['for what was never published', ADMIN, 'WEFT_POSITION_UNKNOWN'],
  ])('is not waited for %s', async (_, request, code) => {
    const harness = await start()
    const client = await harness.following(request, LOG)
    client.send({ name: 'barrier', request: 2, position: 1, timeout_ms: 1 })
    expect(await client.next('denied')).toMatchObject({ request: 2, code })
  })

  test('is nobody who does not follow the log', async () => {
    const harness = await start()
    const client = await harness.following()
    client.send({ name: 'confirm', request: 1, position: 0, last: new Uint8Array(0) })
    expect(await client.next('denied')).toMatchObject({ request: 1, code: 'WEFT_FRAME_UNEXPECTED' })
  })
})
