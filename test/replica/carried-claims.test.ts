import { describe, expect, it } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { Research } from '../support/replica-contexts.ts'
import { StalledPeer } from '../support/stalled-peer.ts'

const SHORT_MS = 400

async function pool(count: number) {
  const harness = await PeerHarness.start()
  const contexts = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const replica = await harness.replica()
      return replica.open(Research, { workflow: 'w', agent: `agent-${index}` })
    }),
  )
  for (const text of ['one', 'two']) await contexts[0]!.append('message', { text }).committed
  const subscriptions = await Promise.all(
    contexts.map(context => context.subscribe('pool', { kinds: ['message'] })),
  )
  return { harness, contexts, subscriptions }
}

describe('[WAK-1] a claim that nobody renews', () => {
  it('runs out although its replica lives, and says so', async () => {
    const { subscriptions } = await pool(2)
    const [one, two] = subscriptions
    const claim = await one!.claim({ ttl_ms: SHORT_MS, renew: false })
    const lost = new Promise(resolve => claim.signal.addEventListener('abort', resolve))
    const next = await two!.claim()
    await lost
    expect(next.epoch).toBe(claim.epoch + 1)
    expect(next.events).toEqual(claim.events)
    await expect(claim.ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await expect(claim.renew()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
  })

  it('goes on for as long as its holder renews it', async () => {
    const { subscriptions } = await pool(2)
    const [one, two] = subscriptions
    const claim = await one!.claim({ ttl_ms: SHORT_MS, renew: false })
    const renewals: Promise<void>[] = []
    const waiting = two!.claim({ timeout_ms: SHORT_MS * 4 }).catch((error: unknown) => error)
    const renewing = setInterval(() => void renewals.push(claim.renew()), SHORT_MS / 8)
    expect(await waiting).toMatchObject({ code: 'WEFT_LEASE_HELD' })
    clearInterval(renewing)
    expect((await Promise.all(renewals)).length).toBeGreaterThan(1)
    await claim.ack()
    expect(two!.status).toMatchObject({ epoch: claim.epoch })
  })

  it('is left to run out when its replica is closed', async () => {
    const { harness, contexts, subscriptions } = await pool(1)
    const replica = await harness.connect()
    const context = await replica.open(Research, { workflow: 'w', agent: 'leaving' })
    const claim = await context.subscription('pool').claim({ ttl_ms: SHORT_MS, renew: false })
    await replica.close()
    const next = await subscriptions[0]!.claim()
    expect(next.events).toEqual(claim.events)
    expect(contexts[0]!.subscriptions()).toMatchObject([{ epoch: claim.epoch + 1, claimant: 'agent-0' }])
  })
})

describe('[WAK-1] a claim that is carried to another worker', () => {
  it('is renewed and acknowledged there, by its id', async () => {
    const { subscriptions } = await pool(3)
    const [one, two, three] = subscriptions
    const claim = await one!.claim({ ttl_ms: 60_000, renew: false })
    const carried = two!.carried(claim.id)
    expect(carried).toMatchObject({ epoch: claim.epoch, to: claim.to })
    expect(await carried.renew()).toBe(60_000)
    await carried.ack()
    expect(two!.status.acknowledged).toBe(claim.to)
    await carried.ack()
    await expect(carried.renew()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await expect(three!.claim({ timeout_ms: 100 })).rejects.toMatchObject({ code: 'WEFT_NOT_SYNCED' })
  })

  it('is acknowledged by a worker that has yet to hear of what was claimed, once it has', async () => {
    const { harness, contexts, subscriptions } = await pool(1)
    const link = await StalledPeer.before(harness.url)
    const replica = await harness.replica({ url: link.url })
    const behind = await replica.open(Research, { workflow: 'w', agent: 'behind' })
    const { position } = behind
    link.hold('log')
    await contexts[0]!.append('message', { text: 'three' }).committed
    const claim = await subscriptions[0]!.claim({ ttl_ms: 60_000, renew: false })
    expect(claim.to).toBeGreaterThan(position)
    const acknowledged = behind.subscription('pool').carried(claim.id).ack()
    expect(behind.position).toBe(position)
    link.release()
    await acknowledged
    expect(behind.subscription('pool').status.acknowledged).toBe(claim.to)
  })

  it('acknowledges nothing when another has taken over, and nothing once it was given back', async () => {
    const { subscriptions } = await pool(2)
    const [one, two] = subscriptions
    const first = await one!.claim({ ttl_ms: 60_000, renew: false })
    await two!.carried(first.id).release()
    await two!.carried(first.id).release()
    await expect(two!.carried(first.id).ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    const second = await two!.claim()
    expect(second.events).toEqual(first.events)
    await expect(one!.carried(first.id).ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await one!.carried(first.id).release()
    expect(second.signal.aborted).toBe(false)
    expect(two!.status).toMatchObject({ acknowledged: 0, epoch: second.epoch })
  })

  it('that never was is refused by the peer', async () => {
    const { subscriptions } = await pool(1)
    const [one] = subscriptions
    await expect(one!.carried('7.2').ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await expect(one!.carried('7.2').renew()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await expect(one!.carried('7.2').release()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    for (const id of ['1.999999', '7.999999'])
      await expect(one!.carried(id).ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    expect(one!.status).toMatchObject({ acknowledged: 0, epoch: 1 })
  })

  it.each([
    '',
    '1',
    '1.',
    '.1',
    '0.1',
    '1.0',
    '-1.2',
    '1.2.3',
    '1e3.1',
    '01.1',
  ])('is not called %j', async id => {
    const { subscriptions } = await pool(1)
    expect(() => subscriptions[0]!.carried(id)).toThrow(expect.objectContaining({ code: 'WEFT_USAGE' }))
  })
})

describe('[WAK-1] a subscription', () => {
  it('is had by its name when it is there', async () => {
    const { contexts } = await pool(2)
    expect(contexts[1]!.subscription('pool').status).toMatchObject({ acknowledged: 0 })
    expect(() => contexts[1]!.subscription('other')).toThrow(
      expect.objectContaining({ code: 'WEFT_SUBSCRIPTION_UNKNOWN' }),
    )
  })
})
