import { ANY_CONTEXT, type AuditRecord, type ReplicaEvent } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { forged, packed } from '../support/core-forge.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { rollBack } from '../support/roll-back.ts'
import { Author } from '../support/wire-author.ts'

type Opened = Awaited<ReturnType<typeof opened>>

async function opened(harness: PeerHarness, agent: string, scopes: ('read' | 'write')[] = ['read', 'write']) {
  const events: ReplicaEvent[] = []
  const replica = await harness.replica({
    token: await harness.token({ scopes }),
    onEvent: event => void events.push(event),
  })
  const context = await replica.open(Research, { workflow: 'w', agent })
  return { events, replica, context }
}

async function converged(harness: PeerHarness, all: readonly Opened[]): Promise<void> {
  await Promise.all(all.map(({ context }) => context.flush()))
  const ids = await harness.ids()
  expect(new Set(ids).size).toBe(ids.length)
  for (const { context } of all) await context.until(() => context.position === ids.length)
  expect(new Set(all.map(({ context }) => context.digest())).size).toBe(1)
}

describe('[DUR-5] a peer that comes back with less', () => {
  test('is caught, is offered what it lost, and all replicas are equal again', async () => {
    const harness = await PeerHarness.start()
    const all = [await opened(harness, 'a'), await opened(harness, 'b')]
    for (let round = 0; round < 5; round++) {
      for (const { context } of all)
        await context.append('message', { text: `${context.agent}${round}` }).committed
    }
    for (const { context } of all) await context.until(() => context.position === 11)
    const before = all[0]!.context.digest()
    await rollBack(harness, 4)
    await harness.restart()
    await until(async () => (await harness.ids()).length === 11, 'all is there again')
    await converged(harness, all)
    expect(all[0]!.context.digest()).toBe(before)
    // Who comes back after the other has offered everything may find nothing missing.
    const events = all.flatMap(each => each.events)
    expect(events).toContainEqual({ type: 'rollback', workflow: 'w', had: 11, has: 4 })
    expect(events.some(event => event.type === 'damaged')).toBe(false)
  })

  test('and has taken other changes since, as many as it lost, is caught too', async () => {
    const harness = await PeerHarness.start()
    const one = await opened(harness, 'a')
    for (const text of ['a', 'b', 'c']) await one.context.append('message', { text }).committed
    await rollBack(harness, 2)
    const writer = new Author(9)
    await harness.restart()
    const client = await harness.following()
    client.push(...writer.appends(6))
    await until(async () => (await harness.ids()).length >= 10, 'both are there')
    await one.context.until(() => one.context.changes().length === 10)
    await converged(harness, [one])
    expect(one.events.some(event => event.type === 'rollback')).toBe(true)
    expect(await one.context.append('message', { text: 'd' }).committed).toBe(11)
  })

  test.each([
    ['and nothing after that', false],
    ['and what depends on what it never had', true],
  ])('and ends as it did, on other changes, is caught by what it ends with: %s', async (_, goesOn) => {
    const [lost, common] = [new Author(1).append(), new Author(2).append()]
    const author = new Author(3)
    const taken = [author.append(), common, ...(goesOn ? [author.append()] : [])]
    const [harness, other] = [await PeerHarness.start(), await PeerHarness.start()]
    for (const [each, changes] of [
      [harness, [lost, common]],
      [other, taken],
    ] as const) {
      const client = await each.following()
      client.push(...changes)
      await until(async () => (await each.ids()).length === changes.length, 'they are written')
    }
    const one = await opened(harness, 'a')
    await one.context.until(() => one.context.position === 2)
    await harness.stop()
    harness.disk.tenants.get('acme')!.set('w', other.disk.tenants.get('acme')!.get('w')!)
    await harness.restart()
    await until(async () => (await harness.ids()).includes(lost.id), 'it is given back')
    await converged(harness, [one])
    expect(one.context.changes().map(({ id }) => id)).toEqual(expect.arrayContaining(await harness.ids()))
    expect(one.events.some(event => event.type === 'damaged')).toBe(false)
  })

  test('is not taken for one where something is being written while its log is opened', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    client.push(new Author(1).append())
    await until(async () => (await harness.ids()).length === 1, 'it is written')
    const { appends } = harness.gate
    const release = harness.gate.hold()
    client.push(new Author(2).append())
    await until(() => harness.gate.appends > appends, 'it is under way')
    const events: ReplicaEvent[] = []
    const replica = await harness.replica({ onEvent: event => void events.push(event) })
    const context = await replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'a' })
    expect(context.position).toBe(1)
    release()
    await context.until(() => context.position === 2)
    expect(events.map(({ type }) => type)).toEqual(['connected'])
  })

  test('on an empty directory gets everything, from whoever has it', async () => {
    const harness = await PeerHarness.start()
    const all = [await opened(harness, 'a'), await opened(harness, 'b')]
    all[0]!.context.append('message', { text: 'a' })
    await all[0]!.context.fanOut(['x', 'y'], branch => void branch.append('message', { text: branch.branch }))
    all[0]!.context.change(state => void state.plan.push('next'))
    await all[0]!.context.flush()
    await all[1]!.context.until(() => all[1]!.context.position === all[0]!.context.changes().length)
    await harness.stop()
    harness.disk.tenants.clear()
    await harness.restart()
    const { length } = all[0]!.context.changes()
    await until(async () => (await harness.ids()).length === length, 'all is there again')
    await converged(harness, all)
  })

  test('keeps what was written meanwhile as well', async () => {
    const harness = await PeerHarness.start()
    const one = await opened(harness, 'a')
    for (const text of ['a', 'b']) await one.context.append('message', { text }).committed
    await rollBack(harness, 1)
    await until(() => !one.replica.online, 'it has noticed')
    const late = one.context.append('message', { text: 'c' })
    await harness.restart()
    expect(await late.committed).toBe(4)
    await converged(harness, [one])
    expect(textsOf(one.context)).toEqual(['a', 'b', 'c'])
  })

  test('loses nothing of what a replica that may only read still holds', async () => {
    const harness = await PeerHarness.start()
    const writer = await opened(harness, 'a')
    const reader = await opened(harness, 'b', ['read'])
    for (const text of ['a', 'b']) await writer.context.append('message', { text }).committed
    await reader.context.until(() => reader.context.position === 3)
    await writer.replica.close()
    await rollBack(harness, 1)
    await harness.restart()
    await until(() => reader.events.some(event => event.type === 'rollback'), 'it has noticed')
    await until(() => reader.replica.online && reader.context.position === 1, 'it has read what is left')
    expect(textsOf(reader.context)).toEqual(['a', 'b'])
    expect(reader.replica.unacknowledged).toEqual([])
    expect(reader.events.some(event => event.type === 'refused')).toBe(false)
  })
})

describe('[DUR-7] a change that the peer refuses', () => {
  test('is withdrawn with all that depends on it, and handed back; the handle works on as a new actor', async () => {
    const harness = await PeerHarness.start()
    const { context, events, replica } = await opened(harness, 'a')
    await context.append('message', { text: 'kept' }).committed
    const before = context.digest()
    // The peer takes no change of this actor any more: it has another one under the next seq.
    const rival = rivalOf(context)
    const client = await harness.following()
    const { appends } = harness.gate
    const held = harness.gate.hold()
    client.push(rival)
    await until(() => harness.gate.appends > appends, 'it is under way')
    const receipts = [
      context.append('message', { text: 'refused' }, { reason: 'to be handed back' }),
      context.append('decision', { choice: 'after it' }),
      context.change(state => void state.plan.push('and that')),
    ]
    const failures = receipts.map(receipt => receipt.committed.catch((error: unknown) => error))
    held()
    for (const failure of failures) {
      const { code, details } = (await failure) as {
        code: string
        details: { refused: string; withdrawn: AuditRecord[] }
      }
      expect(code).toBe('WEFT_CHANGE_EQUIVOCATION')
      expect(details.refused).toBe(receipts[0]!.change)
      expect(details.withdrawn.map(record => record.change)).toEqual(receipts.map(receipt => receipt.change))
      expect(details.withdrawn[0]).toMatchObject({
        reason: 'to be handed back',
        entries: [{ kind: 'message', value: { text: 'refused' } }],
      })
    }
    expect(events.filter(event => event.type === 'refused')).toHaveLength(1)
    expect(replica.unacknowledged).toEqual([])
    await context.until(() => context.position === 3)
    expect(textsOf(context)).toEqual(['kept', 'rival'])
    expect(context.digest()).not.toBe(before)
    const actors = new Set([...context.audit()].map(record => record.actor))
    const next = context.append('message', { text: 'next' })
    await next.committed
    expect(actors).not.toContain([...context.audit()].find(record => record.change === next.change)!.actor)
    context.change(state => void state.plan.push('new'))
    await context.flush()
    expect(context.state.plan).toEqual(['begin', 'new'])
    const other = await opened(harness, 'b')
    expect(other.context.digest()).toBe(context.digest())
  })

  test('takes what others wrote in no part with it', async () => {
    const harness = await PeerHarness.start()
    const reader = await opened(harness, 'a', ['read'])
    const writer = await opened(harness, 'b')
    await writer.context.append('message', { text: 'theirs' }).committed
    await reader.context.until(() => reader.context.position === 2)
    const before = reader.context.digest()
    const failed = await rejectionOf(reader.context.append('message', { text: 'ours' }).committed)
    expect(failed).toMatchObject({ code: 'WEFT_SCOPE', details: { withdrawn: [{ agent: 'a' }] } })
    expect(reader.context.digest()).toBe(before)
    await reader.context.flush()
    await writer.context.append('message', { text: 'more' }).committed
    await reader.context.until(() => reader.context.position === 3)
    expect(textsOf(reader.context)).toEqual(['theirs', 'more'])
    expect(await harness.ids()).toHaveLength(3)
  })

  test('[STP-1] [TIR-1] fails a step that had seen it, by a code that names the cause', async () => {
    const harness = await PeerHarness.start()
    const reader = await opened(harness, 'a', ['read'])
    const unwanted = reader.context.append('message', { text: 'ours' })
    let draft = (): unknown => undefined
    const failed = await rejectionOf(
      reader.context.step('answer', async step => {
        const { scratch } = step
        draft = () => scratch.doc
        const before = step.entries().length
        await unwanted.committed.catch(() => {})
        step.append('decision', { choice: `after ${before}` })
      }),
    )
    expect(failed).toMatchObject({
      code: 'WEFT_SNAPSHOT_WITHDRAWN',
      details: { refused: reader.events.find(event => event.type === 'refused')?.change },
      cause: { code: 'WEFT_SCOPE' },
    })
    expect(draft).toThrow(expect.objectContaining({ code: 'WEFT_STEP_ENDED' }))
    expect([...reader.context.audit()]).toEqual([])
  })

  test('[STL-5] keeps from nobody what becomes stale after it', async () => {
    const harness = await PeerHarness.start()
    const reader = await opened(harness, 'a', ['read'])
    const writer = await opened(harness, 'b')
    const derived = writer.context.append('message', { text: 'x' }, { dependsOn: ['ext:doc@v1'] })
    await derived.committed
    await reader.context.until(() => reader.context.position === 2)
    const told: unknown[] = []
    reader.context.onInvalidated(stale => told.push(...stale.map(({ entry }) => entry)))
    await rejectionOf(reader.context.append('message', { text: 'refused' }).committed)
    expect(told).toEqual([])
    await writer.context.touch('ext:doc', 'v2').committed
    await reader.context.until(() => reader.context.position === 3)
    expect(told).toEqual(derived.entries)
  })

  test('[STL-5] nor what is stale on a branch that it began, once another begins that again', async () => {
    const harness = await PeerHarness.start()
    const reader = await opened(harness, 'a', ['read'])
    const writer = await opened(harness, 'b')
    const side = reader.context.fork('side')
    const told: unknown[] = []
    side.onInvalidated(stale => told.push(...stale.map(({ entry }) => entry)))
    await rejectionOf(side.append('message', { text: 'refused' }).committed)
    const derived = writer.context.append('message', { text: 'x' }, { dependsOn: ['ext:doc@v1'] })
    await writer.context.touch('ext:doc', 'v2').committed
    writer.context.fork('side')
    await reader.context.until(() => reader.context.branches.includes('side'))
    expect(side.stale().map(({ entry }) => entry)).toEqual(derived.entries)
    expect(told).toEqual(derived.entries)
  })

  test('that began a branch takes the branch with it, and its handles say so', async () => {
    const harness = await PeerHarness.start()
    const { context } = await opened(harness, 'a', ['read'])
    const side = context.fork('side')
    const failed = await rejectionOf(side.append('message', { text: 'x' }).committed)
    expect(failed.code).toBe('WEFT_SCOPE')
    expect(() => side.append('message', { text: 'y' })).toThrow(
      expect.objectContaining({ code: 'WEFT_BRANCH_UNKNOWN' }),
    )
    expect(context.branches).toEqual(['main'])
    expect(context.changes()).toEqual([])
    expect(context.state.plan).toEqual(['begin'])
  })
})

describe('[MRG-2] writers who do not know of each other', () => {
  test('both keep their values at one pointer, see one conflict, and are equal', async () => {
    const harness = await PeerHarness.start()
    const all = [await opened(harness, 'a'), await opened(harness, 'b')]
    await all[0]!.context.append('message', { text: 'begin' }).committed
    await all[1]!.context.until(() => all[1]!.context.position === 2)
    for (const { context } of all)
      context.change(state => {
        state.constraints.format = context.agent
      })
    await converged(harness, all)
    const [one, two] = all.map(({ context }) => context.conflicts())
    expect(one).toEqual(two)
    expect(one).toMatchObject([{ pointer: '/constraints/format' }])
    expect(one![0]!.values.map(each => each.value).sort()).toEqual(['a', 'b'])
    expect(all[0]!.context.state).toEqual(all[1]!.context.state)
    await all[1]!.context.resolve('/constraints/format', 'b').committed
    await converged(harness, all)
    for (const { context } of all) {
      expect(context.conflicts()).toEqual([])
      expect(context.state.constraints.format).toBe('b')
    }
  })
})

/** The change that would be the next of the handle's actor, if another had written it. */
function rivalOf(context: Opened['context']) {
  const last = context.changes().at(-1)!
  const { seq, lamport } = last.header
  return forged(last, {
    seq: seq + 1,
    lamport: lamport + 1,
    deps: packed([last.id]),
    values: [{ text: 'rival' }],
  })
}
