import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { textsOf } from '../support/replica-contexts.ts'
import {
  placeOf,
  RawClient,
  rawOwner,
  researchOn,
  StockClient,
  scratchCounts,
  sharingStep,
  varUint,
} from '../support/scratch-clients.ts'

const CLIENT = 7

/** An update of one client, by hand: a text in a root type. */
function textAt(clock: number, text: string, client = CLIENT): number[] {
  const bytes = [...new TextEncoder().encode(text)]
  return [
    1,
    1,
    ...varUint(client),
    ...varUint(clock),
    4,
    1,
    5,
    0x64,
    0x72,
    0x61,
    0x66,
    0x74,
    ...varUint(bytes.length),
    ...bytes,
    0,
  ]
}

const framed = (update: readonly number[]): number[] => [0, 2, ...varUint(update.length), ...update]

const HOSTILE: Readonly<Record<string, readonly number[]>> = {
  'an empty frame': [],
  'an unknown message': [9, 1],
  'an unknown sync message': [0, 3, 0],
  'a message that is cut off': framed(textAt(0, 'cut')).slice(0, -4),
  'a message with bytes left over': [...framed(textAt(0, 'left')), 0],
  'a length beyond any number': [0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
  'an update that is noise': framed([3, 1, 4, 1, 5, 9, 2, 6]),
  'an update that announces a billion structs': framed([1, 0x80, 0x94, 0xeb, 0xdc, 3, 7, 0, 0]),
  'an update with a gap before it': framed(textAt(5, 'later')),
  'an update that skips': framed([1, 1, CLIENT, 0, 10, 5, 0]),
  'an update that builds on what nobody wrote': framed([1, 1, CLIENT, 0, 0x84, 99, 0, 1, 0x78, 0]),
  'an update that builds on itself': framed([1, 1, CLIENT, 0, 0x84, CLIENT, 0, 1, 0x78, 0]),
  'an update that deletes what nobody wrote': framed([0, 1, CLIENT, 1, 0, 255, 255, 255, 255, 7]),
  'an update in format 2': framed([...Y.encodeStateAsUpdateV2(docOf('two'))]),
  'a state vector that is noise': [0, 0, 3, 200, 1, 1],
  'a presence of a billion clients': [1, 5, 0x80, 0x94, 0xeb, 0xdc, 3],
}

describe('a message that cannot be taken in', () => {
  test.each(
    Object.entries(HOSTILE),
  )('[TIR-1] ends the connection with a code, and nothing of it is taken: %s', async (_, frame) => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const draft = held.step.scratch.text('draft')
    draft.insert(0, 'good')
    const witness = await StockClient.synced(held.place, await harness.token())
    await witness.reads('good')
    const before = await scratchCounts(harness)
    const hostile = await RawClient.admitted(held.place, await harness.token())
    // A client is answered at most once in a while; this question has to be its first.
    const asking = frame[0] === 0 && frame[1] === 0
    const sender = asking ? await RawClient.connect(...(await rawEntry(harness, held.place.url))) : hostile
    sender.send(frame)
    expect(await sender.closed).toEqual({ code: 4400, reason: 'WEFT_FRAME_MALFORMED' })
    draft.insert(4, ' still')
    await witness.reads('good still')
    expect(draft.toString()).toBe('good still')
    expect((await scratchCounts(harness)).rooms).toBe(before.rooms)
  })

  test('text is none of the protocol', async () => {
    const harness = await PeerHarness.start()
    const { place } = await rawOwner(harness)
    const client = await RawClient.admitted(place, await harness.token())
    client.socket.send('hello')
    expect(await client.closed).toEqual({ code: 4400, reason: 'WEFT_FRAME_MALFORMED' })
  })

  test('[TIR-1] an owner that breaks the rules takes its scratch along; those of others live on', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { owner_grace_ms: 3_600_000 } } })
    const bad = await rawOwner(harness, 'key-of-the-bad')
    const good = await sharingStep(await researchOn(harness))
    const watcher = await StockClient.synced(bad.place, await harness.token())
    const other = await StockClient.synced(good.place, await harness.token())
    bad.owner.send([9])
    expect((await bad.owner.closed).code).toBe(4400)
    expect(await watcher.closed).toEqual({ code: 4410, reason: 'WEFT_SCRATCH_ENDED' })
    good.step.scratch.text('draft').insert(0, 'alive')
    await other.reads('alive')
    expect((await scratchCounts(harness)).rooms).toBe(1)
  })

  test('what repeats is passed over, and what overlaps is cut to what is new', async () => {
    const harness = await PeerHarness.start()
    const { place, owner } = await rawOwner(harness)
    const watcher = await RawClient.admitted(place, await harness.token())
    const doc = docOf('once')
    owner.sendUpdate(Y.encodeStateAsUpdate(doc))
    owner.sendUpdate(Y.encodeStateAsUpdate(doc))
    doc.getText('draft').insert(4, ' more')
    owner.sendUpdate(Y.encodeStateAsUpdate(doc))
    await until(() => updatesAt(watcher).length === 2, 'two updates arrive')
    expect(updatesAt(watcher)[1]!.length).toBeLessThan(Y.encodeStateAsUpdate(doc).length)
    const reader = await StockClient.synced(place, await harness.token())
    await reader.reads('once more')
  })
})

describe('bounds', () => {
  test('[TIR-1] a message beyond them is refused with a code that a stock client does not come back after', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { message_bytes_max: 1_000 } } })
    const { place } = await rawOwner(harness)
    const client = await StockClient.synced(place, await harness.token())
    client.text().insert(0, 'x'.repeat(2_000))
    expect(await client.closed).toEqual({ code: 4413, reason: 'WEFT_FRAME_TOO_LARGE' })
    expect((await scratchCounts(harness)).rooms).toBe(1)
  })

  test.each([
    ['a scratch', { room_bytes_max: 3_000 }],
    ['a tenant', { tenant_bytes_max: 3_000 }],
    ['all tenants', { bytes_max: 3_000 }],
  ])('[TIR-1] what %s may hold is bounded; whoever goes beyond is refused', async (_, scratch) => {
    const harness = await PeerHarness.start({ limits: { scratch } })
    const { place } = await rawOwner(harness)
    const witness = await StockClient.synced(place, await harness.token())
    const client = await StockClient.synced(place, await harness.token())
    for (let i = 0; i < 10; i++) client.text().insert(0, 'x'.repeat(500))
    expect(await client.closed).toEqual({ code: 4413, reason: 'WEFT_SCRATCH_FULL' })
    const { bytes } = await scratchCounts(harness)
    expect(bytes).toBeGreaterThan(500)
    expect(bytes).toBeLessThanOrEqual(3_000)
    expect(witness.text().length % 500).toBe(0)
    expect(witness.provider.wsconnected).toBe(true)
  })

  test('[TIR-1] a step whose scratch outgrows its bound is told, and goes on with it, locally', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { room_bytes_max: 3_000 } } })
    const context = await researchOn(harness)
    const held = await sharingStep(context)
    const { scratch } = held.step
    scratch.text('draft').insert(0, 'x'.repeat(4_000))
    await until(() => scratch.address === undefined, 'it is local again')
    expect((await rejectionOf(scratch.share())).code).toBe('WEFT_SCRATCH_FULL')
    await held.end(step => void step.promote('message', { text: scratch.text('draft') }))
    expect(textsOf(context)).toEqual(['x'.repeat(4_000)])
  })

  test('[TIR-1] what a tenant holds takes nothing of another one', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { tenant_bytes_max: 3_000 } } })
    const { owner } = await rawOwner(harness)
    owner.sendUpdate(Y.encodeStateAsUpdate(docOf('x'.repeat(2_000))))
    await until(async () => (await scratchCounts(harness)).bytes > 2_000, 'it is held')
    const held = await sharingStep(await researchOn(harness, 'w', 'other'))
    held.step.scratch.text('draft').insert(0, 'y'.repeat(2_000))
    const watcher = await StockClient.synced(held.place, await harness.token({ tenant: 'other' }))
    await watcher.reads('y'.repeat(2_000))
  })

  test('connections and rooms of a tenant are bounded, with a code to try again', async () => {
    const scratch = { rooms_per_tenant_max: 1, connections_per_room_max: 2, connections_per_tenant_max: 3 }
    const harness = await PeerHarness.start({ limits: { scratch } })
    const { place } = await rawOwner(harness)
    const retry = { code: 1013, reason: 'WEFT_LIMIT' }
    const token = await harness.token()
    const second = placeOf(harness, 'key-2')
    const protocols = ['weft-scratch', `weft-token.${token}`]
    expect(await (await RawClient.connect(second.url, [...protocols, 'weft-owner.key-2'])).closed).toEqual(
      retry,
    )
    await RawClient.admitted(place, token)
    expect(await (await RawClient.connect(place.url, protocols)).closed).toEqual(retry)
    await RawClient.connect(second.url, protocols)
    await until(async () => (await scratchCounts(harness)).connections === 3, 'a guest waits')
    expect(await (await RawClient.connect(placeOf(harness, 'key-3').url, protocols)).closed).toEqual(retry)
  })

  test('so are the clients that write, and what each says of its presence', async () => {
    const harness = await PeerHarness.start({
      limits: { scratch: { clients_per_room_max: 3, presence_bytes_max: 100 } },
    })
    const { place } = await rawOwner(harness)
    const many = await RawClient.admitted(place, await harness.token())
    for (const client of [1, 2, 3, 4]) many.send(framed(textAt(0, 'x', client)))
    expect(await many.closed).toEqual({ code: 4413, reason: 'WEFT_SCRATCH_FULL' })
    const loud = await StockClient.synced(place, await harness.token())
    loud.provider.awareness.setLocalState({ text: 'x'.repeat(200) })
    expect(await loud.closed).toEqual({ code: 4413, reason: 'WEFT_SCRATCH_FULL' })
  })

  test('a reader that does not keep up is cut off, and nobody waits for it', async () => {
    const scratch = { buffered_bytes_max: 300_000, room_bytes_max: 60_000_000 }
    const harness = await PeerHarness.start({ limits: { scratch } })
    const { place, owner } = await rawOwner(harness)
    const quick = await RawClient.admitted(place, await harness.token())
    const slow = await RawClient.admitted(place, await harness.token())
    slow.socket.pause()
    const piece = 'x'.repeat(100_000)
    let length = 0
    while ((await scratchCounts(harness)).connections === 3) {
      owner.send(framed(textAt(length, piece)))
      length += piece.length
    }
    owner.send(framed(textAt(length, 'still here')))
    await until(() => Buffer.from(updatesAt(quick).at(-1)!).includes('still here'), 'others go on')
    expect((await scratchCounts(harness)).connections).toBe(2)
  })

  test('who asks for all there is again and again is answered once in a while', async () => {
    const harness = await PeerHarness.start()
    const { place } = await rawOwner(harness)
    const client = await RawClient.admitted(place, await harness.token())
    for (let i = 0; i < 100; i++) client.send([0, 0, 1, 0])
    client.send([9])
    await client.closed
    expect(client.frames.filter(([type, step]) => type === 0 && step === 1)).toHaveLength(1)
  })
})

function docOf(text: string): Y.Doc {
  const doc = new Y.Doc()
  doc.clientID = CLIENT
  doc.getText('draft').insert(0, text)
  return doc
}

function updatesAt(client: RawClient): Uint8Array[] {
  return client.frames.filter(([type, step]) => type === 0 && step === 2)
}

async function rawEntry(harness: PeerHarness, url: string): Promise<[string, string[]]> {
  return [url, ['weft-scratch', `weft-token.${await harness.token()}`]]
}
