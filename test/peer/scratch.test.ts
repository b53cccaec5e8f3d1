import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import {
  placeOf,
  RawClient,
  rawOwner,
  researchOn,
  StockClient,
  scratchCounts,
  sharingStep,
} from '../support/scratch-clients.ts'

describe('who may enter', () => {
  test('[TEN-1] a token of another tenant finds no scratch under the same address', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { owner_grace_ms: 50 } } })
    const held = await sharingStep(await researchOn(harness))
    held.step.scratch.text('draft').insert(0, 'for acme alone')
    const stranger = StockClient.connecting(held.place, await harness.token({ tenant: 'evil' }))
    expect(await stranger.closed).toEqual({ code: 4404, reason: 'WEFT_SCRATCH_UNKNOWN' })
    expect(stranger.text().toString()).toBe('')
    const friend = await StockClient.synced(held.place, await harness.token())
    await friend.reads('for acme alone')
  })

  test('[TEN-1] two tenants may share under one address at once, and never meet', async () => {
    const harness = await PeerHarness.start()
    const key = 'key-of-two-tenants'
    const place = placeOf(harness, key)
    for (const tenant of ['acme', 'evil']) {
      const owner = await RawClient.admitted(place, await harness.token({ tenant }), key)
      owner.sendUpdate(updateOf(doc => doc.getText('draft').insert(0, `of ${tenant}`)))
    }
    expect((await scratchCounts(harness)).rooms).toBe(2)
    for (const tenant of ['acme', 'evil']) {
      const guest = await StockClient.synced(place, await harness.token({ tenant }))
      await guest.reads(`of ${tenant}`)
    }
  })

  test.each([
    ['none', '', 'WEFT_TOKEN_MISSING', 4401],
    ['a forged one', 'not.a.token', 'WEFT_TOKEN_INVALID', 4401],
    ['one for other workflows', { workflows: 'x-*' }, 'WEFT_WORKFLOW_FORBIDDEN', 4403],
    ['one that may not read', { scopes: ['admin'] as const }, 'WEFT_SCOPE', 4403],
    ['an expired one', { lifetime: -1 }, 'WEFT_TOKEN_EXPIRED', 4401],
  ])('a token is needed: %s is answered with a code', async (_, token, reason, code) => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const text = typeof token === 'string' ? token : await harness.token(token)
    for (const showing of ['query', 'subprotocol'] as const) {
      if (text === '' && showing === 'subprotocol') continue
      const client = StockClient.connecting(held.place, text, showing)
      expect(await client.closed).toEqual({ code, reason })
    }
  })

  test('[TEN-5] a token that expires ends the connection with the code that asks for a new one', async () => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const client = await StockClient.synced(held.place, await harness.token({ lifetime: 1 }))
    expect(await client.closed).toEqual({ code: 4401, reason: 'WEFT_TOKEN_EXPIRED' })
  })

  test('[TEN-5] an owner whose token expires gets another one, and goes on sharing', async () => {
    const harness = await PeerHarness.start()
    let asked = 0
    const token = (): Promise<string> => harness.token({ lifetime: asked++ < 2 ? 1 : 600 })
    const replica = await harness.replica({ token })
    const held = await sharingStep(await replica.open(Research, { workflow: 'w', agent: 'planner' }))
    const watcher = await StockClient.synced(held.place, await harness.token())
    await until(() => asked > 2, 'a new token was asked for')
    held.step.scratch.text('draft').insert(0, 'still here')
    await watcher.reads('still here')
  })

  test('a token that may only read watches, and is sent away when it writes', async () => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const draft = held.step.scratch.text('draft')
    draft.insert(0, 'look')
    const reader = await StockClient.synced(held.place, await harness.token({ scopes: ['read'] }))
    await reader.reads('look')
    reader.text().insert(0, 'do not ')
    expect(await reader.closed).toEqual({ code: 4403, reason: 'WEFT_SCOPE' })
    const other = await StockClient.synced(held.place, await harness.token())
    await other.reads('look')
    expect(draft.toString()).toBe('look')
  })

  test('a worker whose token may not write cannot share', async () => {
    const harness = await PeerHarness.start()
    const writer = await researchOn(harness)
    await writer.append('message', { text: 'begin' }).committed
    const replica = await harness.replica({ token: await harness.token({ scopes: ['read'] }) })
    const context = await replica.open(Research, { workflow: 'w', agent: 'reader' })
    const { value } = await context.step('draft', async step => {
      const refused = await rejectionOf(step.scratch.share())
      step.scratch.text('draft').insert(0, 'local still')
      return [refused.code, step.scratch.text('draft').toString()]
    })
    expect(value).toEqual(['WEFT_SCOPE', 'local still'])
  })

  test('only who has the key of a scratch owns it', async () => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const protocols = ['weft-scratch', `weft-token.${await harness.token()}`, 'weft-owner.guessed']
    const thief = await RawClient.connect(held.place.url, protocols)
    expect(await thief.closed).toEqual({ code: 4403, reason: 'WEFT_SCOPE' })
    const guest = await RawClient.admitted(held.place, await harness.token())
    guest.socket.close(1000)
    await guest.closed
    await StockClient.synced(held.place, await harness.token())
  })

  test('of what is offered the peer repeats the name alone, and no secret', async () => {
    const harness = await PeerHarness.start()
    const { place } = await rawOwner(harness)
    const token = `weft-token.${await harness.token()}`
    const client = await RawClient.connect(place.url, [token, 'weft-scratch'])
    expect(client.socket.protocol).toBe('weft-scratch')
    await expect(RawClient.connect(place.url, [token])).rejects.toThrow('Server sent no subprotocol')
  })

  test('what is no address of a scratch is refused by code', async () => {
    const harness = await PeerHarness.start()
    for (const path of ['/scratch/w', '/scratch/w/short', '/scratch/a%2fb/0', '/scratch//']) {
      const client = await RawClient.connect(`${harness.url}${path}`)
      expect((await client.closed).code).toBe(4400)
    }
  })

  test('no token is ever logged, however it is shown', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })
    const harness = await PeerHarness.start({ logger })
    const held = await sharingStep(await researchOn(harness))
    const tokens = [await harness.token(), await harness.token({ scopes: ['read'] }), 'forged-token']
    for (const token of tokens) {
      for (const showing of ['query', 'subprotocol'] as const) {
        const client = StockClient.connecting(held.place, token, showing)
        client.text().insert(0, 'x')
        await Promise.race([client.closed, until(() => client.provider.synced, 'it is in sync')])
        client.close()
      }
    }
    await held.end()
    await until(async () => (await scratchCounts(harness)).connections === 0, 'all have left')
    expect(lines.join('')).toContain('WEFT_TOKEN_INVALID')
    for (const token of tokens) expect(lines.join('')).not.toContain(token)
  })
})

describe('how long a scratch lives', () => {
  test('guests who come before the owner wait for it', async () => {
    const harness = await PeerHarness.start()
    const key = 'key-of-one-who-is-late'
    const place = placeOf(harness, key)
    const guest = StockClient.connecting(place, await harness.token())
    guest.text().insert(0, 'early')
    await until(async () => (await scratchCounts(harness)).connections === 1, 'the guest is there')
    expect(await scratchCounts(harness)).toEqual({ rooms: 0, connections: 1, bytes: 0 })
    await RawClient.admitted(place, await harness.token(), key)
    await until(() => guest.provider.synced, 'the guest is in sync')
    const other = await StockClient.synced(place, await harness.token())
    await other.reads('early')
  })

  test('[TIR-1] it outlives a broken connection of its owner, for a while', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { owner_grace_ms: 60_000 } } })
    const held = await sharingStep(await researchOn(harness))
    held.step.scratch.text('draft').insert(0, 'one')
    const watcher = await StockClient.synced(held.place, await harness.token())
    await watcher.reads('one')
    await harness.restart()
    held.step.scratch.text('draft').insert(3, ' two')
    await watcher.reads('one two')
  })

  test('[TIR-1] an owner that is gone for too long takes it along', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { owner_grace_ms: 50 } } })
    const { place, owner } = await rawOwner(harness)
    const watcher = await StockClient.synced(place, await harness.token())
    owner.socket.terminate()
    expect(await watcher.closed).toEqual({ code: 4410, reason: 'WEFT_SCRATCH_ENDED' })
    await until(async () => (await scratchCounts(harness)).bytes === 0, 'nothing is held')
  })

  test('[TIR-1] a half-open connection of an owner is found out', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { ping_ms: 30, owner_grace_ms: 30 } } })
    const { place, owner } = await rawOwner(harness)
    const watcher = await StockClient.synced(place, await harness.token())
    owner.socket.pause()
    expect((await watcher.closed).code).toBe(4410)
    expect((await scratchCounts(harness)).rooms).toBe(0)
  })

  test('[TIR-1] one that nobody writes to ends', async () => {
    const harness = await PeerHarness.start({ limits: { scratch: { idle_ms: 50 } } })
    const { owner } = await rawOwner(harness)
    expect(await owner.closed).toEqual({ code: 4410, reason: 'WEFT_SCRATCH_ENDED' })
    expect((await scratchCounts(harness)).rooms).toBe(0)
  })

  test('a drain sends everybody away, to come back', async () => {
    const harness = await PeerHarness.start()
    const { owner } = await rawOwner(harness)
    await harness.stop()
    expect(await owner.closed).toEqual({ code: 1012, reason: 'WEFT_DRAINING' })
  })
})

describe('presence', () => {
  test('who writes is seen by all, and gone when it leaves; who only watches is not seen', async () => {
    const harness = await PeerHarness.start()
    const held = await sharingStep(await researchOn(harness))
    const ada = await StockClient.synced(held.place, await harness.token())
    ada.provider.awareness.setLocalState({ name: 'ada' })
    const reader = await StockClient.synced(held.place, await harness.token({ scopes: ['read'] }))
    reader.provider.awareness.setLocalState({ name: 'nobody' })
    const bob = await StockClient.synced(held.place, await harness.token())
    const namesAt = (client: StockClient): unknown[] =>
      [...client.provider.awareness.getStates().values()]
        .map(state => state.name)
        .filter(Boolean)
        .sort()
    await until(() => namesAt(bob).join() === 'ada', 'bob sees ada')
    await until(() => namesAt(reader).join() === 'ada,nobody', 'the reader sees ada and itself')
    ada.close()
    await until(() => namesAt(bob).length === 0, 'ada is gone')
  })

  test('a client hears itself, so that it does not take silence for a dead connection', async () => {
    const harness = await PeerHarness.start()
    const { place } = await rawOwner(harness)
    for (const scopes of [['read', 'write'], ['read']] as const) {
      const client = await RawClient.admitted(place, await harness.token({ scopes: [...scopes] }))
      const state = [1, 7, 1, 2, 0x7b, 0x7d]
      client.send([1, state.length, ...state])
      await until(() => client.frames.some(frame => frame[0] === 1), 'it hears itself')
    }
  })

  test('one that is no JSON is refused: it would end the process of who reads it', async () => {
    const harness = await PeerHarness.start()
    const { place } = await rawOwner(harness)
    const client = await RawClient.admitted(place, await harness.token())
    client.send([1, 5, 1, 7, 1, 1, 0x7b])
    expect(await client.closed).toEqual({ code: 4400, reason: 'WEFT_FRAME_MALFORMED' })
  })
})

function updateOf(write: (doc: Y.Doc) => void): Uint8Array {
  const doc = new Y.Doc()
  write(doc)
  return Y.encodeStateAsUpdate(doc)
}
