import { getEventListeners } from 'node:events'
import { WAKES_BRANCH } from '@weft/core'
import type { Claim, Subscription } from '@weft/replica'
import { describe, expect, it } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { openOffline, Research } from '../support/replica-contexts.ts'

/** Long enough to be renewed on a machine that is busy. */
const SHORT_MS = 400

async function workers(count: number, harness?: PeerHarness) {
  const running = harness ?? (await PeerHarness.start())
  const contexts = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const replica = await running.replica()
      return replica.open(Research, { workflow: 'w', agent: `agent-${index}` })
    }),
  )
  return { harness: running, contexts, context: contexts[0]! }
}

type Opened = Awaited<ReturnType<typeof workers>>['context']

async function say(context: Opened, ...texts: string[]): Promise<void> {
  for (const text of texts) await context.append('message', { text }).committed
}

const textsIn = (claim: Claim): unknown[] =>
  claim.events.flatMap(({ entries }) => entries.map(({ value }) => (value as { text: string }).text))

describe('[WAK-1] a claim', () => {
  it('is of all that happened since the last one that was acknowledged, whoever had that', async () => {
    const { contexts } = await workers(3)
    const [writer, first, second] = contexts
    await say(writer!, 'one', 'two')
    const subscription = await first!.subscribe('pool', { kinds: ['message'] })
    const claim = await subscription.claim()
    expect(textsIn(claim)).toEqual(['one', 'two'])
    expect(claim).toMatchObject({ epoch: 2, from: 1 })
    await say(writer!, 'three')
    await claim.ack()
    expect(claim.signal.aborted).toBe(true)
    const other = await second!.subscribe('pool', { kinds: ['message'] })
    const next = await other.claim()
    expect(next).toMatchObject({ epoch: 3, from: claim.to + 1 })
    expect(textsIn(next)).toEqual(['three'])
    expect(next.events[0]).toMatchObject({ branch: 'main', agent: 'agent-0', kinds: ['message'] })
    expect(other.status).toMatchObject({ acknowledged: claim.to, epoch: 3, claimant: 'agent-2' })
  })

  it('is waited for while there is nothing and while another worker has one', async () => {
    const { contexts } = await workers(3)
    const [writer, first, second] = contexts
    const one = await first!.subscribe('pool', { kinds: ['message'] })
    const two = await second!.subscribe('pool', { kinds: ['message'] })
    const waiting = Promise.race([one.claim(), two.claim()])
    await say(writer!, 'at last')
    const claim = await waiting
    expect(textsIn(claim)).toEqual(['at last'])
    await expect(two.claim({ timeout_ms: 100 })).rejects.toMatchObject({
      code: expect.stringMatching(/WEFT_LEASE_HELD|WEFT_NOT_SYNCED/),
    })
    const next = Promise.any([one.claim(), two.claim()])
    await say(writer!, 'more')
    await claim.ack()
    expect(textsIn(await next)).toEqual(['more'])
  })

  it('of a worker that was cut off is had by the next when it has run out, with the same events', async () => {
    const { contexts, harness } = await workers(2)
    const [first, second] = contexts
    await say(first!, 'once')
    const lost = await (await first!.subscribe('pool')).claim({ ttl_ms: SHORT_MS })
    await harness.stop()
    await new Promise(resolve => lost.signal.addEventListener('abort', resolve))
    await expect(lost.ack()).rejects.toMatchObject({ code: 'WEFT_LEASE_LOST' })
    await harness.restart()
    const again = await (await second!.subscribe('pool')).claim()
    expect(again.epoch).toBe(lost.epoch + 1)
    expect(again.events).toEqual(lost.events)
    await again.ack()
  })

  it('is renewed while it is handled, and given back unhandled', async () => {
    const { contexts } = await workers(2)
    const [first, second] = contexts
    await say(first!, 'once')
    const claim = await (await first!.subscribe('pool')).claim({ ttl_ms: SHORT_MS })
    const other = await second!.subscribe('pool')
    await expect(other.claim({ timeout_ms: SHORT_MS * 4 })).rejects.toMatchObject({ code: 'WEFT_LEASE_HELD' })
    await claim.release()
    const next = await other.claim()
    expect(next.events).toEqual(claim.events)
    await claim.release()
    expect(next.signal.aborted).toBe(false)
  })

  it('has no more events than were asked for, and goes on behind them', async () => {
    const { context } = await workers(1)
    await say(context, 'one', 'two', 'three')
    const subscription = await context.subscribe('pool', { kinds: ['message'] })
    const claim = await subscription.claim({ max: 2 })
    expect(textsIn(claim)).toEqual(['one', 'two'])
    await claim.ack()
    const rest = await subscription.claim({ bytes_max: 1 })
    expect(textsIn(rest)).toEqual(['three'])
    await expect(subscription.claim({ max: 0 })).rejects.toMatchObject({ code: 'WEFT_USAGE' })
    await expect(subscription.claim({ ttl_ms: 0 })).rejects.toMatchObject({ code: 'WEFT_LEASE_INVALID' })
  })

  it('neither needs nor moves a branch that somebody else has a lease on', async () => {
    const { contexts } = await workers(2)
    const [owner, worker] = contexts
    await owner!.lease()
    await say(owner!, 'mine')
    const { heads } = owner!
    const claim = await (await worker!.subscribe('pool', { branches: ['main'] })).claim()
    await claim.ack()
    await worker!.flush()
    expect(worker!.heads).toEqual(heads)
    expect(worker!.branches).toEqual(['main'])
    await owner!.propose(draft => draft.append('message', { text: 'on top' }), { expect: { heads } })
  })

  it('outlives a restart of the peer, and so does what is acknowledged', async () => {
    const { contexts, harness } = await workers(2)
    const [first, second] = contexts
    await say(first!, 'one')
    const subscription = await first!.subscribe('pool')
    const claim = await subscription.claim({ ttl_ms: 60_000 })
    await harness.restart()
    const other = await second!.subscribe('pool')
    await expect(other.claim({ timeout_ms: 200 })).rejects.toMatchObject({ code: 'WEFT_LEASE_HELD' })
    await claim.ack()
    await harness.restart()
    await say(first!, 'two')
    expect(textsIn(await other.claim())).toEqual(['two'])
  })
})

describe('[WAK-1] claims', () => {
  it('of five workers that take turns are each of other events, and of each event', async () => {
    const { contexts } = await workers(6)
    const [writer, ...pool] = contexts
    const done = new AbortController()
    const handled: unknown[] = []
    const epochs: number[] = []
    let claimants = 0
    const work = async (context: Opened): Promise<void> => {
      const subscription = await context.subscribe('pool', { kinds: ['message'] })
      for await (const claim of subscription.claims({ signal: done.signal, max: 3 })) {
        expect(++claimants).toBe(1)
        epochs.push(claim.epoch)
        handled.push(...textsIn(claim))
        await claim.ack()
        claimants--
        if (handled.length === 60) done.abort()
      }
    }
    const working = Promise.all(pool.map(work))
    const texts = Array.from({ length: 60 }, (_, index) => `task ${index}`)
    await say(writer!, ...texts)
    await working
    expect(handled).toEqual(texts)
    expect(new Set(epochs).size).toBe(epochs.length)
  })

  it('give back what the loop was left with', async () => {
    const { context } = await workers(1)
    await say(context, 'one')
    const subscription = await context.subscribe('pool')
    let left: Claim | undefined
    for await (const claim of subscription.claims({ ttl_ms: 60_000 })) {
      left = claim
      break
    }
    expect((await subscription.claim({ timeout_ms: 2_000 })).events).toEqual(left!.events)
  })
})

describe('[WAK-1] a subscription', () => {
  it('begins where it is told to, and is one and the same for all who name it with one filter', async () => {
    const { contexts } = await workers(4)
    await say(contexts[0]!, 'one', 'two')
    await Promise.all(contexts.map(each => each.until(() => each.entries().length === 2)))
    const from = contexts[0]!.position + 1
    const all = await Promise.all(
      contexts.map(each => each.subscribe('pool', { kinds: ['message', 'decision'], from: 3 })),
    )
    expect(from).toBe(4)
    await contexts[0]!.subscribe('pool', { kinds: ['decision', 'message'] })
    expect(contexts[0]!.subscriptions()).toEqual([
      {
        name: 'pool',
        filter: { kinds: ['decision', 'message'] },
        acknowledged: 2,
        epoch: 1,
        claimant: expect.any(String),
      },
    ])
    expect(textsIn(await all[3]!.claim())).toEqual(['two'])
  })

  it('with another filter is refused, or takes the place of the first when that is said', async () => {
    const { context } = await workers(1)
    await say(context, 'one')
    const old = await context.subscribe('pool', { kinds: ['message'] })
    const claim = await old.claim()
    const { digest } = context
    const before = digest.call(context)
    await expect(context.subscribe('pool', { kinds: ['decision'] })).rejects.toMatchObject({
      code: 'WEFT_SUBSCRIPTION_EXISTS',
      details: { filter: { kinds: ['message'] } },
    })
    expect(context.digest()).toBe(before)
    const replacing = context.subscribe('pool', { kinds: ['decision'], replace: true })
    await claim.ack()
    await replacing
    expect(old.status).toMatchObject({ filter: { kinds: ['decision'] }, acknowledged: 0 })
  })

  it.each<[string, string, object]>([
    ['WEFT_FILTER_INVALID', 'pool', { kinds: 'message' }],
    ['WEFT_FILTER_INVALID', 'pool', { refs: ['nothing'] }],
    ['WEFT_FILTER_INVALID', 'pool', { agents: ['a'] }],
    ['WEFT_ID_INVALID', 'no id', {}],
    ['WEFT_ID_INVALID', '', {}],
    ['WEFT_POSITION_UNKNOWN', 'pool', { from: 99 }],
    ['WEFT_POSITION_UNKNOWN', 'pool', { from: 0 }],
    ['WEFT_POSITION_UNKNOWN', 'pool', { from: 1.5 }],
  ])('is refused with %s when it is called %j with %j', async (code, name, options) => {
    const { context } = await workers(1)
    await say(context, 'one')
    const before = context.digest()
    await expect(context.subscribe(name, options)).rejects.toMatchObject({ code })
    expect(context.digest()).toBe(before)
    expect(context.subscriptions()).toEqual([])
  })

  it('needs the scope to write; reading it does not', async () => {
    const { context, harness } = await workers(1)
    await say(context, 'one')
    await context.subscribe('pool')
    const replica = await harness.replica({ token: await harness.token({ scopes: ['read'] }) })
    const reader = await replica.open(Research, { workflow: 'w', agent: 'reader' })
    expect(reader.subscriptions()).toMatchObject([{ name: 'pool', acknowledged: 0 }])
    const known: Subscription = await reader.subscribe('pool')
    await expect(known.claim()).rejects.toMatchObject({ code: 'WEFT_SCOPE' })
    await expect(reader.subscribe('mine')).rejects.toMatchObject({ code: 'WEFT_SCOPE' })
  })

  it('[TEN-1] is of its tenant alone: a claim by the same names finds nothing of another one', async () => {
    const { context, harness } = await workers(1)
    await say(context, 'a secret')
    await (await context.subscribe('pool')).claim({ ttl_ms: 60_000 })
    const replica = await harness.replica({ token: await harness.token({ tenant: 'rival' }) })
    const theirs = await replica.open(Research, { workflow: 'w', agent: 'rival' })
    expect(theirs.subscriptions()).toEqual([])
    const subscription = await theirs.subscribe('pool', { kinds: ['message'] })
    await expect(subscription.claim({ timeout_ms: 300 })).rejects.toMatchObject({ code: 'WEFT_NOT_SYNCED' })
    expect(await harness.ids('w', 'rival')).not.toContain((await harness.ids('w'))[1])
  })

  it('can be waited for with a signal', async () => {
    const { context } = await workers(1)
    const subscription = await context.subscribe('pool', { kinds: ['message'] })
    const controller = new AbortController()
    const waiting = subscription.claim({ signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'WEFT_ABORTED' })
    for await (const _ of subscription.claims({ signal: AbortSignal.abort() })) expect.unreachable()
  })

  it('is bookkeeping on a branch of its own, which no replica without a peer can write', async () => {
    const { context, harness } = await workers(1)
    await say(context, 'one')
    await (await (await context.subscribe('pool')).claim()).ack()
    const kept = context.changes().filter(({ header }) => header.branch === WAKES_BRANCH)
    expect(kept).toHaveLength(3)
    expect(await harness.log()).toHaveLength(context.changes().length)
    const alone = await openOffline()
    await expect(alone.subscribe('pool', { timeout_ms: 50 })).rejects.toMatchObject({
      code: 'WEFT_NOT_SYNCED',
    })
    expect(alone.subscriptions()).toEqual([])
  })
})

describe('[WAK-1] the events of a context', () => {
  it('come in the order of the log, from a position on, and as they happen', async () => {
    const { contexts } = await workers(2)
    const [writer, reader] = contexts
    await say(writer!, 'one', 'two')
    await reader!.until(() => reader!.entries().length === 2)
    const told: unknown[] = []
    for await (const event of reader!.events({ from: 3, once: true })) told.push(event.position)
    expect(told).toEqual([3])
    const controller = new AbortController()
    const events = reader!.events({ from: 4, kinds: ['message'], signal: controller.signal })
    const next = events.next()
    await say(writer!, 'three')
    expect((await next).value).toMatchObject({ position: 4, entries: [{ value: { text: 'three' } }] })
    const last = events.next()
    controller.abort()
    expect((await last).done).toBe(true)
  })

  it('are waited for by many with one signal, which has one listener then, and none after that', async () => {
    const { context } = await workers(1)
    const controller = new AbortController()
    const { signal } = controller
    const listening = (): number => getEventListeners(signal, 'abort').length
    const waiting = Array.from({ length: 12 }, () =>
      context.events({ from: context.position + 1, signal }).next(),
    )
    expect(listening()).toBe(1)
    controller.abort()
    expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual(Array(12).fill(true))
    expect(listening()).toBe(0)
  })

  it.each<[string, object]>([
    ['WEFT_POSITION_UNKNOWN', { from: 9 }],
    ['WEFT_POSITION_UNKNOWN', { from: 0 }],
    ['WEFT_POSITION_UNKNOWN', { from: 'first' }],
    ['WEFT_FILTER_INVALID', { kinds: [] }],
  ])('are refused with %s for %j', async (code, options) => {
    const { context } = await workers(1)
    await say(context, 'one')
    await expect(context.events(options).next()).rejects.toMatchObject({ code })
  })

  it('end with the reason when the replica is closed', async () => {
    const { harness } = await workers(1)
    const replica = await harness.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'reader' })
    const waiting = context.events({ from: context.position + 1 }).next()
    waiting.catch(() => {})
    await replica.close()
    await expect(waiting).rejects.toMatchObject({ code: 'WEFT_CLOSED' })
  })
})
