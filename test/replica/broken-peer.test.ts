import {
  BranchWriter,
  type Change,
  ChangeSet,
  decodeChange,
  ERASURES_BRANCH,
  erasureOf,
  fromHex,
  toHex,
  type Write,
} from '@weft/core'
import { ANY_CONTEXT, connect, type Replica, type ReplicaEvent } from '@weft/replica'
import { describe, expect, onTestFinished, test } from 'vitest'
import { forged } from '../support/core-forge.ts'
import { seededHost, sha256 } from '../support/core-property.ts'
import { rejectionOf } from '../support/peer-until.ts'
import { Research, textsOf } from '../support/replica-contexts.ts'
import { ScriptedPeer } from '../support/replica-scripted-peer.ts'
import { Author } from '../support/wire-author.ts'
import type { WireEnd } from '../support/wire-client.ts'

async function replicaOf(peer: ScriptedPeer): Promise<{ replica: Replica; events: ReplicaEvent[] }> {
  const events: ReplicaEvent[] = []
  const onEvent = (event: ReplicaEvent): void => void events.push(event)
  const replica = await connect({ url: peer.url, token: 't', offline: true, onEvent })
  onTestFinished(() => replica.close({ discard: true }))
  return { replica, events }
}

function log(end: WireEnd, channel: number, from: number, changes: readonly Change[]): void {
  end.send({ name: 'log', channel, from, items: changes.map(change => change.bytes) })
}

async function pushed(end: WireEnd): Promise<string[]> {
  return (await end.next('push')).changes.map(bytes => decodeChange(bytes, sha256).id)
}

describe('[CHG-5] a log that cannot be taken in', () => {
  const good = new Author(1).appends(3)
  const [first, second, third] = good as [Change, Change, Change]

  test.each<[string, Uint8Array]>([
    ['bytes that are no change', new Uint8Array(60)],
    ['a change that does not fit', forged(second, { lamport: 7 }).bytes],
    ['a change whose deps never came', third.bytes],
    ['the name of a change that this replica never had', fromHex('ab'.repeat(32))],
  ])('changes nothing, is told of, and asked for again: %s', async (_, bad) => {
    const peer = await ScriptedPeer.start()
    const { replica, events } = await replicaOf(peer)
    const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(3)
    end.send({ name: 'log', channel: open.channel, from: 1, items: [first.bytes, bad, third.bytes] })
    await end.closed
    const again = await peer.opened(3)
    expect([again.open.after, toHex(again.open.last)]).toEqual([1, first.id])
    log(again.end, again.open.channel, 2, [second, third])
    const context = await opening
    expect(context.changes().map(change => change.id)).toEqual(good.map(change => change.id))
    expect(context.position).toBe(3)
    expect(events.map(event => event.type)).toEqual(['connected', 'damaged', 'disconnected', 'connected'])
  })

  test('a peer that does not keep to the protocol is left, and tried again', async () => {
    const peer = await ScriptedPeer.start()
    const { replica } = await replicaOf(peer)
    const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
    for (const frame of [Uint8Array.of(0x83), Uint8Array.of(0x81, 0x18, 0x63)]) {
      const end = await peer.welcomed()
      end.socket.send(frame)
      await end.closed
    }
    const { end, open } = await peer.opened(1)
    log(end, open.channel, 1, [first])
    expect((await opening).position).toBe(1)
  })
})

describe('[DUR-5] another log than was told', () => {
  test('is noticed where a change was known by its acknowledgement alone, and that change is offered again', async () => {
    const peer = await ScriptedPeer.start()
    const { replica, events } = await replicaOf(peer)
    const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(0)
    const context = await opening
    const receipt = context.append('message', { text: 'acknowledged' })
    const own = await pushed(end)
    const { channel } = open
    // Position 1 is another's: the log has not come to the acknowledged ones yet.
    end.send({ name: 'ack', channel, ids: fromHex(own.join('')), positions: [2, 3] })
    expect(await receipt.committed).toBe(3)
    expect(replica.unacknowledged).toEqual([])
    end.socket.terminate()
    // The peer lost them, and took others since: its log is no shorter than what was told.
    const others = new Author(5).appends(4)
    const next = await peer.opened(4)
    expect(next.open.after).toBe(0)
    log(next.end, next.open.channel, 1, others)
    await next.end.closed
    const last = await peer.opened(4)
    expect([last.open.after, toHex(last.open.last)]).toEqual([1, others[0]!.id])
    log(last.end, last.open.channel, 2, others.slice(1))
    expect(await pushed(last.end)).toEqual(own)
    expect(events.filter(event => event.type === 'rollback')).toEqual([
      { type: 'rollback', workflow: 'w', had: 3, has: 1 },
    ])
    last.end.send({ name: 'ack', channel: last.open.channel, ids: fromHex(own.join('')), positions: [5, 6] })
    await context.flush()
    expect(context.positionOf(receipt.change!)).toBe(6)
  })
})

describe('[DUR-5] a shorter log than was told', () => {
  test('is noticed also where the peer had failed the context in between, as one that was damaged', async () => {
    const peer = await ScriptedPeer.start()
    const { replica, events } = await replicaOf(peer)
    const opening = replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(3)
    const [first, ...others] = new Author(1).appends(3) as [Change, ...Change[]]
    log(end, open.channel, 1, [first, ...others])
    await opening
    const failure = { code: 'WEFT_STORE_CORRUPT', message: 'broken', cure: 'mend it' }
    end.send({ name: 'fail', channel: open.channel, ...failure })
    await end.next('shut')
    const reopening = replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'b' })
    const { channel } = await end.next('open')
    end.send({ name: 'opened', channel, count: 1, heads: fromHex(first.id), known: true })
    log(end, channel, 1, [first])
    expect(await pushed(end)).toEqual(others.map(({ id }) => id))
    await reopening
    expect(events).toContainEqual({ type: 'rollback', workflow: 'w', had: 3, has: 1 })
  })
})

describe('[DUR-5] a log that holds nothing of what was told', () => {
  test('is given it also where the peer fails the context before it could be', async () => {
    const peer = await ScriptedPeer.start()
    const { replica } = await replicaOf(peer)
    const opening = replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(3)
    const told = new Author(1).appends(3)
    log(end, open.channel, 1, told)
    await opening
    end.socket.terminate()
    const [other] = new Author(2).appends(1) as [Change]
    const next = await peer.opened(1, false)
    const failure = { code: 'WEFT_STORE_CORRUPT', message: 'broken', cure: 'mend it' }
    next.end.send({ name: 'fail', channel: next.open.channel, ...failure })
    await next.end.next('shut')
    const reopening = replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'b' })
    const { channel } = await next.end.next('open')
    next.end.send({ name: 'opened', channel, count: 1, heads: fromHex(other.id), known: true })
    log(next.end, channel, 1, [other])
    await reopening
    const context = await replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'c' })
    const flushed = context.flush()
    expect(await pushed(next.end)).toEqual(told.map(({ id }) => id))
    next.end.send({
      ...{ name: 'ack', channel },
      ids: fromHex(told.map(({ id }) => id).join('')),
      positions: [2, 3, 4],
    })
    await flushed
    expect(context.position).toBe(4)
  })
})

describe('a channel that fails at the peer', () => {
  test('is shut, tells who waits, keeps what was written, and can be opened again', async () => {
    const peer = await ScriptedPeer.start()
    const { replica } = await replicaOf(peer)
    const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(0)
    const context = await opening
    const receipt = context.append('message', { text: 'a' })
    const own = await pushed(end)
    end.send({
      name: 'fail',
      channel: open.channel,
      code: 'WEFT_STORE_CORRUPT',
      message: 'broken',
      cure: 'mend it',
    })
    expect(await rejectionOf(receipt.committed)).toMatchObject({
      code: 'WEFT_NOT_SYNCED',
      cause: { code: 'WEFT_STORE_CORRUPT' },
    })
    expect((await end.next('shut')).channel).toBe(open.channel)
    expect((await rejectionOf(replica.close())).code).toBe('WEFT_STORE_CORRUPT')
    context.append('message', { text: 'b' })
    expect(replica.unacknowledged).toMatchObject([{ workflow: 'w', changes: [{}, {}, {}] }])

    const reopening = replica.open(Research, { workflow: 'w', agent: 'b' })
    const again = await end.next('open')
    expect(again.channel).not.toBe(open.channel)
    end.send({ name: 'opened', channel: again.channel, count: 0, heads: new Uint8Array(0), known: true })
    const other = await reopening
    const offered = await pushed(end)
    expect(offered.slice(0, 2)).toEqual(own)
    end.send({ name: 'ack', channel: again.channel, ids: fromHex(offered.join('')), positions: [1, 2, 3] })
    await Promise.all([context.flush(), other.flush()])
    expect(await receipt.committed).toBe(2)
    expect(textsOf(other)).toEqual(['a', 'b'])
  })
})

describe('[DUR-6] an acknowledgement of what was proposed', () => {
  test('counts only when the log has brought the change, behind what it was decided after', async () => {
    const [other] = new Author(1).appends(1) as [Change]
    const peer = await ScriptedPeer.start()
    const { replica } = await replicaOf(peer)
    const opening = replica.open(Research, { workflow: 'w', agent: 'a' })
    const { end, open } = await peer.opened(0)
    const context = await opening
    let isAccepted = false
    const accepted = context
      .propose(draft => void draft.append('message', { text: 'mine' }), { expect: {} })
      .then(each => {
        isAccepted = true
        return each!
      })
    const change = decodeChange((await end.next('propose')).change, sha256)
    end.send({ name: 'ack', channel: open.channel, ids: fromHex(change.id), positions: [2] })
    log(end, open.channel, 1, [other])
    await context.until(() => context.position === 1)
    expect(isAccepted).toBe(false)
    expect(context.positionOf(change.id)).toBeUndefined()
    log(end, open.channel, 2, [change])
    expect((await accepted).position).toBe(2)
    expect(textsOf(context)).toContain('mine')
  })
})

test('[ERA-1] [STL-5] what becomes stale is told of when an erasure comes in the same frame', async () => {
  const peer = await ScriptedPeer.start()
  const { replica } = await replicaOf(peer)
  const host = seededHost(5)
  const set = new ChangeSet(sha256)
  const author = new BranchWriter(set, host, 'main', 'agent')
  const write = (value: string, more: Partial<Write> = {}) =>
    author.write({ entries: [{ kind: 'message', value: { text: value } }], ...more })!
  const secret = write('secret')
  const derived = write('derived', { reads: [{ ref: 'ext:doc/1', version: 'v1', entry: 0 }] })
  const touched = author.write({ writes: ['ext:doc/1@v2'] })!
  const eraser = new BranchWriter(set, host, ERASURES_BRANCH, 'admin')
  const nodes = set.nodes([secret.id])
  const erasing = eraser.write({ ...erasureOf(set, nodes, undefined, sha256), at: [] })!
  const opening = replica.open(ANY_CONTEXT, { workflow: 'w', agent: 'a' })
  const { end, open } = await peer.opened(2)
  log(end, open.channel, 1, [secret, derived])
  const context = await opening
  const stale: string[] = []
  context.onInvalidated(found => stale.push(...found.flatMap(({ entry }) => entry ?? [])))
  log(end, open.channel, 3, [touched, erasing])
  await context.until(() => context.position === 4)
  expect(stale).toEqual([`${derived.id}.0`])
  expect(context.changes()[0]!.complete).toBe(false)
})
