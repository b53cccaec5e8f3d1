import { once } from 'node:events'
import { decodeChange, fromHex } from '@weft/core'
import { DEFAULT_LIMITS } from '@weft/peer'
import { connect } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { GatewayHarness } from '../support/gateway-harness.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { ScriptedPeer } from '../support/replica-scripted-peer.ts'
import { Author } from '../support/wire-author.ts'
import type { WireEnd } from '../support/wire-client.ts'

const WRITES = 8

const RATE = {
  code: 'WEFT_QUOTA_RATE',
  message: 'the tenant writes faster than it may',
  cure: 'offer it again',
  details: JSON.stringify({ retry_after_ms: 1 }),
}

/** A peer whose tenant has begun workflow `w`, and then writes so much elsewhere that it waits. */
async function overItsRate(changes_per_second_max: number, count: number) {
  const quota = { ...DEFAULT_LIMITS.quota, changes_per_second_max }
  const peer = await PeerHarness.start({ limits: { quota, rate_wait_ms_max: 3_600_000 } })
  const replica = await peer.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  await context.append('message', { text: 'begin' }).committed
  const flood = await peer.following({}, 'flood')
  flood.push(...new Author(1).appends(count))
  await flood.next('log')
  await until(async () => (await peer.metric('weft_rate_waits_total')) > 0, 'the rest waits')
  return { peer, context, flood }
}

/** A context at a peer that says what the test has it say. */
async function followed() {
  const peer = await ScriptedPeer.start()
  const replica = await connect({ url: peer.url, token: 't', offline: true })
  onTestFinished(() => replica.close({ discard: true }))
  const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
  const { end, open } = await peer.opened(0)
  return { end, channel: open.channel, context: await opening }
}

/** All that was sent so far; and what it says to that is here. */
async function readByReplica({ socket }: WireEnd): Promise<void> {
  socket.ping()
  await once(socket, 'pong')
}

describe('[DUR-6] a write of a tenant that is over its rate', () => {
  test('is told so over HTTP, each of many at once, and is not written', async () => {
    const { peer, context } = await overItsRate(2, 300)
    const api = await GatewayHarness.start({}, peer)
    const before = context.position
    const entries = [{ kind: 'message', value: { text: 'too much' } }]
    const answers = await Promise.all(
      Array.from({ length: WRITES }, () => api.write({ entries, wait_ms: 2_000 })),
    )
    for (const { status, body, headers } of answers) {
      expect({ status, body }).toMatchObject({ status: 429, body: { code: 'WEFT_QUOTA_RATE' } })
      const { details } = body as unknown as { details: { retry_after_ms: number } }
      expect(headers.get('retry-after')).toBe(`${Math.ceil(details.retry_after_ms / 1_000)}`)
    }
    expect(await peer.metric('weft_changes_refused_total{code="WEFT_QUOTA_RATE"}')).toBe(WRITES)
    expect((await peer.head('w'))?.count).toBe(before)
  })

  test('is refused at a replica that has no more time, and was never there', async () => {
    const { context } = await overItsRate(2, 300)
    const proposing = context.propose(draft => draft.append('message', { text: 'too much' }), {
      timeout_ms: 2_000,
    })
    expect(await rejectionOf(proposing)).toMatchObject({
      code: 'WEFT_QUOTA_RATE',
      details: { retry_after_ms: expect.any(Number) },
    })
    expect(textsOf(context)).toEqual(['begin'])
  })

  test('waits at a replica that has the time: the same change is offered again, and taken in the end', async () => {
    const { end, channel, context } = await followed()
    const proposing = context.propose(draft => draft.append('message', { text: 'late' }), {})
    const genesis = (await end.next('push')).changes
    let offered = (await end.next('propose')).change
    for (let i = 0; i < 3; i++) {
      const { id } = decodeChange(offered, sha256)
      end.send({ name: 'refuse', channel, id: fromHex(id), ...RATE })
      const again = (await end.next('propose')).change
      expect(again).toEqual(offered)
      offered = again
    }
    expect(textsOf(context)).toEqual([])
    end.send({ name: 'log', channel, from: 1, items: [...genesis, offered] })
    expect(await proposing).toMatchObject({ position: 2 })
    expect(textsOf(context)).toEqual(['late'])
  })

  test('is not offered again when its caller gives it up meanwhile', async () => {
    const { end, channel, context } = await followed()
    const caller = new AbortController()
    const { signal } = caller
    const proposing = context.propose(draft => draft.append('message', { text: 'given up' }), { signal })
    const id = fromHex(decodeChange((await end.next('propose')).change, sha256).id)
    const details = JSON.stringify({ retry_after_ms: 100 })
    end.send({ name: 'refuse', channel, id, ...RATE, details })
    await readByReplica(end)
    caller.abort()
    expect((await rejectionOf(proposing)).code).toBe('WEFT_ABORTED')
    await readByReplica(end)
    expect(end.inbox.filter(({ name }) => name === 'propose')).toEqual([])
  })

  test('is what is refused: what was pushed waits for its turn', async () => {
    const { peer, context, flood } = await overItsRate(40, 160)
    const { committed } = context.append('message', { text: 'pushed' })
    await committed
    await until(async () => (await peer.head('flood'))?.count === 160, 'all is written in the end')
    expect(flood.inbox.filter(({ name }) => name === 'refuse')).toEqual([])
  })

  test('and that was taken before is acknowledged, and not refused, when it is offered again', async () => {
    const quota = { ...DEFAULT_LIMITS.quota, changes_per_second_max: 20 }
    const peer = await PeerHarness.start({ limits: { quota, rate_wait_ms_max: 3_600_000 } })
    const client = await peer.following()
    const change = new Author(2).append()
    const offer = (end: typeof client): void =>
      end.send({ name: 'propose', channel: 1, change: change.bytes, branches: [], heads: [], unmoved: [] })
    offer(client)
    await client.next('log')
    await client.close()
    const flood = await peer.following({}, 'flood')
    flood.push(...new Author(1).appends(80))
    await flood.next('log')
    await until(async () => (await peer.metric('weft_rate_waits_total')) > 0, 'it waits')
    const again = await peer.following()
    offer(again)
    expect((await again.next('ack')).positions).toEqual([1])
    expect(again.inbox.filter(({ name }) => name === 'refuse')).toEqual([])
  })
})
