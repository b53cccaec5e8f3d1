import { describe, expect, it, onTestFinished, test } from 'vitest'
import { heapInUse } from '../support/heap.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { type Opened, Research, textsOf } from '../support/replica-contexts.ts'

async function scene() {
  const harness = await PeerHarness.start()
  const replica = await harness.replica()
  const open = (agent: string): Promise<Opened> => replica.open(Research, { workflow: 'w', agent })
  const context = await open('asker')
  await context.append('message', { text: 'begun' }).committed
  return { harness, replica, context, open }
}

/** Writes, and returns when that is on its way to a disk that holds it back. */
async function held(harness: PeerHarness, context: Opened, text: string) {
  const { gate } = harness
  const before = gate.appends
  gate.hold()
  onTestFinished(() => gate.release())
  const receipt = context.append('message', { text })
  await until(() => gate.appends > before, 'it is on its way to the disk')
  return receipt
}

describe('whoever waits until what was written is durable', () => {
  it.each([
    'flush',
    'token',
    'handoff',
    'close',
  ] as const)('[SES-1] by %s does not wait for what others write meanwhile', async act => {
    const { harness, replica, context, open } = await scene()
    const { gate } = harness
    const other = await open('other')
    const before = await held(harness, context, 'before')
    const waiting = context[act]({ timeout_ms: 10_000 })
    const after = other.append('message', { text: 'after' })
    gate.release()
    gate.hold()
    await waiting
    expect(replica.unacknowledged.flatMap(({ changes }) => changes.map(({ id }) => id))).toEqual([
      after.change,
    ])
    expect(await before.committed).toBe(3)
    gate.release()
    expect(await after.committed).toBe(4)
  })

  it('[HND-1] hands over what is durable by then, and nothing that another has written since', async () => {
    const { harness, context, open } = await scene()
    const { gate } = harness
    const other = await open('other')
    const before = await held(harness, context, 'before')
    const handing = context.handoff()
    other.append('message', { text: 'after' })
    gate.release()
    gate.hold()
    const handoff = await handing
    expect(handoff.heads).toEqual([before.change])
    const next = await harness.replica()
    const resumed = await next.resume(Research, handoff)
    expect(textsOf(resumed.context)).toEqual(['begun', 'before'])
  })

  it('[HND-1] hands over what is left when something is refused meanwhile', async () => {
    const { harness, context } = await scene()
    const { heads } = context
    const reader = await harness.replica({ token: await harness.token({ scopes: ['read'] }) })
    const reading = await reader.open(Research, { workflow: 'w', agent: 'reader' })
    reading.append('message', { text: 'refused' })
    expect(await reading.handoff()).toMatchObject({ heads })
  })
})

test('a wait that is over leaves nothing behind, however long its context is open', async () => {
  const { context } = await scene()
  const wait = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await context.until(() => true)
  }
  await wait(1_000)
  const before = await heapInUse()
  await wait(20_000)
  expect((await heapInUse()) - before).toBeLessThan(20_000 * 50)
})

describe('[STL-5] whoever waits for what becomes stale', () => {
  it.each(['the handle', 'the replica'])('hears that %s was closed, once all is told', async closed => {
    const { replica, context, open } = await scene()
    // It keeps the context open.
    const other = await open('other')
    const derived = other.append('message', { text: 'x' }, { dependsOn: ['ext:doc@v1'] })
    const told = context.invalidations()
    const first = told.next()
    other.touch('ext:doc', 'v2')
    expect((await first).value).toMatchObject({ entry: derived.entries[0] })
    const next = rejectionOf(told.next())
    await (closed === 'the handle' ? context : replica).close()
    expect((await next).code).toBe('WEFT_CLOSED')
    expect((await rejectionOf(context.invalidations().next())).code).toBe('WEFT_CLOSED')
  })
})

describe('a replica that is being closed', () => {
  test('takes nothing more, so that nothing is lost of what it took', async () => {
    const { harness, replica, context, open } = await scene()
    const before = await held(harness, context, 'before')
    const closing = replica.close()
    expect(() => context.append('message', { text: 'after' })).toThrow(/this replica was closed/)
    expect((await rejectionOf(open('late'))).code).toBe('WEFT_CLOSED')
    expect(textsOf(context)).toEqual(['begun', 'before'])
    harness.gate.release()
    await closing
    expect(await before.committed).toBe(3)
    expect(await harness.ids()).toHaveLength(3)
  })

  test('is as it was when that takes too long', async () => {
    const { harness, replica, context, open } = await scene()
    await held(harness, context, 'before')
    expect((await rejectionOf(replica.close({ timeout_ms: 1 }))).code).toBe('WEFT_FLUSH_DEADLINE')
    const after = context.append('message', { text: 'after' })
    harness.gate.release()
    expect(await after.committed).toBe(4)
    expect(textsOf(await open('late'))).toEqual(['begun', 'before', 'after'])
  })
})
