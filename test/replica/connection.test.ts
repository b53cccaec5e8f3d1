import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Replica, type ReplicaEvent } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, rejectionsOf, until } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'

const NOWHERE = 'ws://127.0.0.1:9'

async function unconnected(): Promise<Replica> {
  const replica = await connect({ url: NOWHERE, token: 'none', offline: true })
  onTestFinished(() => replica.close({ discard: true }))
  return replica
}

describe('connecting', () => {
  test('says who it is connected as', async () => {
    const harness = await PeerHarness.start()
    const events: ReplicaEvent[] = []
    const replica = await harness.replica({ onEvent: event => void events.push(event) })
    expect([replica.tenant, replica.scopes, replica.online]).toEqual(['acme', ['read', 'write'], true])
    expect(events).toEqual([{ type: 'connected', tenant: 'acme', attempt: 0 }])
  })

  test.each(['http://127.0.0.1:1', 'nonsense', ''])('%j is no address of a peer', async url => {
    expect((await rejectionOf(connect({ url, token: 't' }))).code).toBe('WEFT_USAGE')
  })

  test('to nobody fails at its deadline, with the cause', async () => {
    const failed = await rejectionOf(connect({ url: NOWHERE, token: 't', timeout_ms: 50 }))
    expect(failed).toMatchObject({ code: 'WEFT_PEER_UNREACHABLE' })
  })

  test('with a token that will never do fails at once, with what the peer said', async () => {
    const harness = await PeerHarness.start()
    const failed = await rejectionOf(connect({ url: harness.url, token: 'garbage' }))
    expect(failed.code).toBe('WEFT_TOKEN_INVALID')
    expect((await rejectionOf(connect({ url: harness.url, token: '' }))).code).toBe('WEFT_TOKEN_MISSING')
  })

  test('with a source of tokens that fails tells why', async () => {
    const harness = await PeerHarness.start()
    const token = (): never => {
      throw new Error('the vault is sealed')
    }
    const failed = connect({ url: harness.url, token, timeout_ms: 50 })
    await expect(failed).rejects.toMatchObject({ code: 'WEFT_TOKEN_MISSING' })
    await expect(failed).rejects.toThrow('the vault is sealed')
  })

  test('can be given up by a signal, before and meanwhile', async () => {
    const wait = { url: NOWHERE, token: 't' }
    expect((await rejectionOf(connect({ ...wait, signal: AbortSignal.abort() }))).code).toBe('WEFT_ABORTED')
    const controller = new AbortController()
    const connecting = connect({ ...wait, signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(connecting).rejects.toMatchObject({ code: 'WEFT_ABORTED', cause: new Error('enough') })
  })

  test('leaves nothing behind that keeps the process alive', async () => {
    const harness = await PeerHarness.start()
    const script = `
      import { connect } from '@weft/replica'
      const replica = await connect({ url: process.argv[1], token: process.argv[2] })
      await replica.close()
      const closed = performance.now()
      process.on('exit', () => console.log(performance.now() - closed < 700))
    `
    const child = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      script,
      harness.url,
      await harness.token(),
    ])
    let output = ''
    child.stdout.on('data', data => {
      output += String(data)
    })
    await once(child, 'close')
    expect(output).toBe('true\n')
  })
})

describe('tokens', () => {
  test('[TEN-5] a source of tokens is asked for a new one when the last has expired, and the work goes on', async () => {
    const harness = await PeerHarness.start()
    let asked = 0
    const events: ReplicaEvent[] = []
    const replica = await harness.replica({
      token: () => harness.token({ lifetime: asked++ === 0 ? 2 : 600 }),
      onEvent: event => void events.push(event),
    })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await until(() => asked === 2 && replica.online, 'it has a new token')
    await context.append('message', { text: 'after' }).committed
    expect(events.map(event => event.type)).toEqual(['connected', 'disconnected', 'connected'])
    expect(events[1]).toMatchObject({ code: 4401, reason: 'WEFT_TOKEN_EXPIRED' })
  })

  test('a token that cannot be renewed ends the connection, and nobody waits in vain', async () => {
    const harness = await PeerHarness.start()
    const events: ReplicaEvent[] = []
    const replica = await harness.replica({
      token: await harness.token({ lifetime: 2 }),
      onEvent: event => void events.push(event),
    })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await until(() => events.some(event => event.type === 'failed'), 'it is over')
    const { committed } = context.append('message', { text: 'too late' })
    for (const waiting of await rejectionsOf([
      committed,
      context.flush(),
      replica.flush(),
      replica.close(),
    ])) {
      expect(waiting.code).toBe('WEFT_TOKEN_EXPIRED')
    }
    expect((await rejectionOf(replica.open(Research, { workflow: 'v', agent: 'a' }))).code).toBe(
      'WEFT_TOKEN_EXPIRED',
    )
    expect(replica.unacknowledged).toMatchObject([{ workflow: 'w', changes: [{}, {}] }])
  })

  test('[TEN-5] nor does anybody wait on for others, however long they may take', async () => {
    const harness = await PeerHarness.start()
    const holder = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'holder' })
    await holder.append('message', { text: 'begin' }).committed
    await holder.lease({ ttl_ms: 3_600_000 })
    const pool = await holder.subscribe('pool')
    await pool.claim({ ttl_ms: 3_600_000 })
    await holder.subscribe('idle', { kinds: ['decision'] })
    const replica = await harness.replica({ token: await harness.token({ lifetime: 2 }) })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    const waiting = [
      context.until(() => false),
      context.lease(),
      context.subscription('pool').claim(),
      context.subscription('idle').claim(),
    ]
    for (const each of waiting) expect((await rejectionOf(each)).code).toBe('WEFT_TOKEN_EXPIRED')
    expect((await rejectionOf(context.until(() => false))).code).toBe('WEFT_TOKEN_EXPIRED')
    await context.until(() => true)
  })

  test('a source whose tokens are all refused is asked a few times and no more', async () => {
    const harness = await PeerHarness.start()
    let asked = 0
    const token = (): string => {
      asked++
      return 'garbage'
    }
    expect((await rejectionOf(connect({ url: harness.url, token }))).code).toBe('WEFT_TOKEN_INVALID')
    expect(asked).toBeGreaterThan(1)
    expect(asked).toBeLessThan(10)
  })

  test('a workflow that the token does not cover fails alone, and what was written for it is kept', async () => {
    const harness = await PeerHarness.start()
    const replica = await connect({
      url: harness.url,
      token: await harness.token({ workflows: 'mine-*' }),
      offline: true,
    })
    onTestFinished(() => replica.close({ discard: true }))
    const foreign = await replica.open(Research, { workflow: 'theirs', agent: 'a', offline: true })
    const { committed } = foreign.append('message', { text: 'a' })
    expect((await rejectionOf(committed)).code).toBe('WEFT_WORKFLOW_FORBIDDEN')
    const mine = await replica.open(Research, { workflow: 'mine-1', agent: 'a' })
    await mine.append('message', { text: 'b' }).committed
    for (const waiting of await rejectionsOf([foreign.flush(), replica.flush(), replica.close()])) {
      expect(waiting.code).toBe('WEFT_WORKFLOW_FORBIDDEN')
    }
    expect(replica.unacknowledged).toMatchObject([{ workflow: 'theirs', changes: [{}, {}] }])
    const again = rejectionOf(replica.open(Research, { workflow: 'theirs', agent: 'a' }))
    expect((await again).code).toBe('WEFT_WORKFLOW_FORBIDDEN')
    await mine.append('message', { text: 'c' }).committed
  })
})

describe('working offline', () => {
  test('what is written without a peer is sent when there is one, and joins what others wrote', async () => {
    const harness = await PeerHarness.start()
    const { url } = harness
    await harness.stop()
    const token = await harness.token()
    const early = await connect({ url, token, offline: true })
    onTestFinished(() => early.close({ discard: true }))
    const context = await early.open(Research, { workflow: 'w', agent: 'a', offline: true })
    context.append('message', { text: 'from the dark' })
    expect([early.online, early.tenant, context.position]).toEqual([false, undefined, 0])
    await harness.restart()
    const other = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'b' })
    other.append('message', { text: 'in the light' })
    await Promise.all([context.flush(), other.flush()])
    for (const each of [context, other]) await each.until(() => each.position === 3)
    expect(textsOf(context).sort()).toEqual(['from the dark', 'in the light'])
    expect(context.digest()).toBe(other.digest())
    // Both began the context, and wrote one and the same beginning.
    expect(await harness.ids()).toHaveLength(3)
  })

  test('a replica outlives its peer, and all that was written meanwhile is there in the end', async () => {
    const harness = await PeerHarness.start()
    const events: ReplicaEvent[] = []
    const replica = await harness.replica({ onEvent: event => void events.push(event) })
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'before' }).committed
    await harness.stop()
    await until(() => !replica.online, 'it has noticed')
    const receipts = ['one', 'two'].map(text => context.append('message', { text }))
    expect(textsOf(context)).toEqual(['before', 'one', 'two'])
    await harness.restart()
    expect(await Promise.all(receipts.map(receipt => receipt.committed))).toEqual([3, 4])
    expect((await harness.ids()).slice(2)).toEqual(receipts.map(receipt => receipt.change))
    expect(events.filter(event => event.type === 'disconnected')[0]).toMatchObject({
      code: 1012,
      reason: 'WEFT_DRAINING',
    })
  })

  test('a context that is not here yet does not open as an empty one', async () => {
    const replica = await unconnected()
    const failed = await rejectionOf(replica.open(Research, { workflow: 'w', agent: 'a', timeout_ms: 30 }))
    expect(failed).toMatchObject({ code: 'WEFT_NOT_SYNCED', details: { workflow: 'w' } })
    const signal = AbortSignal.abort()
    expect((await rejectionOf(replica.open(Research, { workflow: 'w', agent: 'a', signal }))).code).toBe(
      'WEFT_ABORTED',
    )
  })
})

describe('closing', () => {
  test('with unacknowledged changes waits, then throws with their count, and keeps them', async () => {
    const harness = await PeerHarness.start()
    const replica = await harness.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
    await context.append('message', { text: 'a' }).committed
    const release = harness.gate.hold()
    const receipts = ['b', 'c'].map(text => context.append('message', { text }))
    for (const late of await rejectionsOf([
      replica.close({ timeout_ms: 20 }),
      context.close({ timeout_ms: 20 }),
      replica.flush({ timeout_ms: 20 }),
    ])) {
      expect(late).toMatchObject({ code: 'WEFT_FLUSH_DEADLINE', details: { count: 2 } })
    }
    expect((await rejectionOf(replica.close({ signal: AbortSignal.abort() }))).code).toBe('WEFT_ABORTED')
    const [kept] = replica.unacknowledged
    expect(kept?.changes.map(change => change.id)).toEqual(receipts.map(receipt => receipt.change))
    release()
    await replica.close()
    expect(replica.unacknowledged).toEqual([])
    expect((await harness.ids()).slice(-2)).toEqual(receipts.map(receipt => receipt.change))
  })

  test('regardless of them tells those who wait, and takes no more', async () => {
    const replica = await unconnected()
    const context = await replica.open(Research, { workflow: 'w', agent: 'a', offline: true })
    const receipt = context.append('message', { text: 'a' })
    const waiting = rejectionOf(receipt.committed)
    await replica.close({ discard: true })
    expect((await waiting).code).toBe('WEFT_CLOSED')
    const step = context.step('late', each => void each.append('message', { text: 'b' }))
    expect((await rejectionOf(step)).code).toBe('WEFT_CLOSED')
    for (const act of [
      () => context.append('message', { text: 'b' }),
      () => context.change(state => void state.plan.push('b')),
      () => context.fork('x'),
      () => context.merge(),
      () => context.adopt([]),
    ]) {
      expect(codeOf(act)).toBe('WEFT_CLOSED')
    }
    expect((await rejectionOf(replica.open(Research, { workflow: 'w', agent: 'a' }))).code).toBe(
      'WEFT_CLOSED',
    )
    expect((await rejectionOf(replica.flush())).code).toBe('WEFT_CLOSED')
    // What was read stays readable, and what was lost can be taken out.
    expect(textsOf(context)).toEqual(['a'])
    expect(replica.unacknowledged).toMatchObject([{ workflow: 'w', changes: [{}, {}] }])
  })

  test('while a context is being opened ends the waiting', async () => {
    const replica = await unconnected()
    const opening = rejectionOf(replica.open(Research, { workflow: 'w', agent: 'a' }))
    await replica.close()
    expect((await opening).code).toBe('WEFT_CLOSED')
  })

  test('the last handle while another is being opened leaves the context to that one', async () => {
    const harness = await PeerHarness.start()
    const { url } = harness
    const token = await harness.token()
    await harness.stop()
    const replica = await connect({ url, token, offline: true })
    onTestFinished(() => replica.close({ discard: true }))
    const first = await replica.open(Research, { workflow: 'w', agent: 'a', offline: true })
    const opening = replica.open(Research, { workflow: 'w', agent: 'b' })
    await first.close()
    await harness.restart()
    const second = await opening
    await second.append('message', { text: 'b' }).committed
    expect(await harness.ids()).toHaveLength(2)
  })

  test('a context and opening it again brings all of it back', async () => {
    const harness = await PeerHarness.start({ limits: { idle_ms: 5 } })
    const replica = await harness.replica()
    for (const [index, text] of ['a', 'b', 'c'].entries()) {
      const context = await replica.open(Research, { workflow: 'w', agent: 'a' })
      expect(textsOf(context)).toHaveLength(index)
      context.append('message', { text })
      await context.close()
    }
    await until(async () => (await harness.metric('weft_contexts_open')) === 0, 'the peer has let it go too')
    expect(await harness.ids()).toHaveLength(4)
  })
})

describe('waiting', () => {
  test('until something holds ends when it does, or at its deadline, or by its signal', async () => {
    const harness = await PeerHarness.start()
    const reader = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'a' })
    const writer = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'b' })
    const arrived: number[] = []
    const stop = reader.onChange(changes => void arrived.push(changes.length))
    const held = reader.until(() => textsOf(reader).length === 2)
    for (const text of ['a', 'b']) writer.append('message', { text })
    await held
    stop()
    expect(arrived.reduce((sum, count) => sum + count, 0)).toBe(3)
    writer.append('message', { text: 'c' })
    await reader.until(() => textsOf(reader).length === 3)
    expect(arrived.reduce((sum, count) => sum + count, 0)).toBe(3)
    const never = (): boolean => false
    expect((await rejectionOf(reader.until(never, { timeout_ms: 10 }))).code).toBe('WEFT_NOT_SYNCED')
    const signal = AbortSignal.timeout(10)
    expect((await rejectionOf(reader.until(never, { signal }))).code).toBe('WEFT_ABORTED')
  })
  test('until the log is known so far ends when it is, by an acknowledgement alone', async () => {
    const harness = await PeerHarness.start()
    const context = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'a' })
    context.append('message', { text: 'a' })
    await context.until(() => context.position === 2, { timeout_ms: 5_000 })
    expect(context.position).toBe(2)
  })
})
