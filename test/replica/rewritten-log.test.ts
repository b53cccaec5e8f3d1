import type { ContextEvent } from '@weft/core'
import { describe, expect, it } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf } from '../support/peer-until.ts'
import { type Opened, Research } from '../support/replica-contexts.ts'
import { rewrite, rollBack } from '../support/roll-back.ts'

async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'reader' })
  await say(context, 'base')
  return { harness, context, base: context.position }
}

async function say(context: Opened, ...texts: string[]): Promise<void> {
  for (const text of texts) await context.append('message', { text }).committed
}

/** Writes that no message is among. */
async function plan(context: Opened, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await context.change(state => void state.plan.push(`${i}`)).committed
}

const saidIn = (events: readonly ContextEvent[]): unknown[] =>
  events.flatMap(({ entries }) => entries.map(({ value }) => (value as { text: string }).text))

describe('[WAK-1] the events of a context whose peer was rolled back', () => {
  it.each([
    ['that waits behind what it was told', {}],
    ['that was told nothing of what was lost', { kinds: ['message'] }],
  ])('are not passed over where another worker wrote them: a reader %s learns from where on', async (_, filter) => {
    const { harness, context, base } = await scene()
    const events = context.events({ from: base + 1, ...filter })
    const next = events.next()
    await plan(context, 5)
    if (!('kinds' in filter)) {
      expect((await next).value).toMatchObject({ position: base + 1 })
      for (let i = 2; i <= 5; i++) await events.next()
    }
    const waiting = 'kinds' in filter ? next : events.next()
    await rewrite(harness, base, other => say(other, 'one', 'two', 'three', 'four', 'five', 'six', 'seven'))
    expect(await rejectionOf(waiting)).toMatchObject({
      code: 'WEFT_POSITION_UNKNOWN',
      details: { position: base + 1 },
    })
    const again: ContextEvent[] = []
    for await (const event of context.events({ from: base + 1, kinds: ['message'], once: true }))
      again.push(event)
    expect(saidIn(again)).toEqual(['one', 'two', 'three', 'four', 'five', 'six', 'seven'])
  })

  it('are not passed over either by a reader that was busy meanwhile', async () => {
    const { harness, context, base } = await scene()
    await plan(context, 2)
    const events = context.events({ from: base + 1 })
    await events.next()
    await rewrite(harness, base, other => say(other, 'one', 'two', 'three'))
    await context.until(() => context.entries().length === 4)
    expect(await rejectionOf(events.next())).toMatchObject({ details: { position: base + 1 } })
  })

  it('go on where all that was told is there again, or was never lost', async () => {
    const { harness, context, base } = await scene()
    const early = context.events({ from: 1, kinds: ['message'] })
    expect((await early.next()).value).toMatchObject({ position: base })
    await plan(context, 3)
    const late = context.events({ from: context.position + 1, kinds: ['message'] })
    const waiting = late.next()
    await rollBack(harness, base + 1)
    await harness.restart()
    await say(context, 'new')
    expect(saidIn([(await waiting).value as ContextEvent])).toEqual(['new'])
    await rewrite(harness, base + 1, other => say(other, 'of another'))
    await context.until(() => context.entries().length === 3)
    expect(saidIn([(await early.next()).value as ContextEvent])).toEqual(['of another'])
  })
})

describe('[WAK-1] a claim of what a rolled back peer has', () => {
  it('finds what was written where it had looked before', async () => {
    const { harness, context, base } = await scene()
    const subscription = await context.subscribe('pool', { kinds: ['message'], from: base + 1 })
    const subscribed = context.position
    const waiting = subscription.claim({ timeout_ms: 20_000 })
    await plan(context, 5)
    await rewrite(harness, subscribed, async other => {
      await say(other, 'one', 'two')
      await plan(other, 20)
    })
    const claim = await waiting
    expect(saidIn(claim.events)).toEqual(['one', 'two'])
  })

  it('acknowledges only what it was of, and no other changes that stand there now', async () => {
    const { harness, context, base } = await scene()
    const subscription = await context.subscribe('pool', { kinds: ['message'], from: base + 1 })
    const subscribed = context.position
    await say(context, 'lost')
    const claim = await subscription.claim({ ttl_ms: 60_000 })
    await rewrite(harness, subscribed, other => say(other, 'one', 'two'))
    await context.until(() => context.entries().length === 4)
    expect(await rejectionOf(claim.ack())).toMatchObject({ code: 'WEFT_POSITION_UNKNOWN' })
    expect(subscription.status.acknowledged).toBe(base)
  })
})
