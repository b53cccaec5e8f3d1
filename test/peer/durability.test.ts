import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ChangeSet, decodeChange, type Store } from '@weft/core'
import { defineContext } from '@weft/replica'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { LevelHarness } from '../contract/level-harness.ts'
import { sha256 } from '../support/core-property.ts'
import { MemoryDisk } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { StoreGate, type WriteFault } from '../support/peer-store.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import { WireClient } from '../support/wire-client.ts'

const Notes = defineContext({ name: 'notes', version: 1, entries: { note: z.string() } })

describe('the committed log', () => {
  test('[DUR-2] is gapless and causal under eight concurrent writers, in LevelDB', async () => {
    const level = await LevelHarness.make()
    const harness = await PeerHarness.start({ openStore: () => level.open() })
    const writers = await Promise.all(
      Array.from({ length: 8 }, async (_, number) => {
        const replica = await harness.replica()
        return replica.open(Notes, { workflow: 'w', agent: `agent-${number}` })
      }),
    )
    await Promise.all(
      writers.map(async writer => {
        for (let round = 0; round < 40; round++) {
          const { committed } = writer.append('note', `${writer.agent} ${round}`)
          if (round % 8 === 0) await committed
        }
        await writer.flush()
      }),
    )
    await Promise.all(writers.map(writer => writer.until(() => writer.position === 320)))
    expect(new Set(writers.map(writer => writer.digest())).size).toBe(1)
    await harness.stop()
    const log = await (await level.open()).tenant('acme').read('w', 1, Number.MAX_SAFE_INTEGER)
    await level.discard()
    expect(log.map(record => record.position)).toEqual(Array.from({ length: 320 }, (_, index) => index + 1))
    const set = new ChangeSet(sha256)
    // It throws at a change whose deps have not come before it.
    for (const { bytes } of log) set.add(decodeChange(bytes, sha256))
    expect(set.size).toBe(320)
  })

  test('[DUR-1] nothing is acknowledged, nor shown to anyone, before the store has it', async () => {
    const harness = await PeerHarness.start()
    const [writer, reader] = [await harness.following(), await harness.following()]
    const release = harness.gate.hold()
    const [first, second] = new Author(1).appends(2)
    writer.push(first!)
    await until(() => harness.gate.appends === 1, 'the write is under way')
    writer.push(second!)
    const late = await harness.following()
    expect([writer.inbox, reader.inbox, late.inbox]).toEqual([[], [], []])
    release()
    expect(await writer.next('log')).toMatchObject({ from: 1 })
    expect(await reader.next('log')).toMatchObject({ from: 1 })
    expect(await harness.ids()).toEqual(expect.arrayContaining([first!.id]))
  })

  test('what arrives while a write is under way shares the next one', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const release = harness.gate.hold()
    const [first, ...others] = new Author(1).appends(50)
    client.push(first!)
    await until(() => harness.gate.appends === 1, 'the first write is under way')
    for (const change of others) client.push(change)
    // What is asked for next is answered after all that came before was admitted.
    client.open('other', 2)
    await client.next('opened')
    release()
    await until(async () => (await harness.ids()).length === 50, 'all are written')
    expect(harness.gate.appends).toBe(2)
  })
})

describe('[DUR-3] a store that fails a write', () => {
  test.each<[WriteFault]>([
    ['before'],
    ['after'],
  ])('may have written or not (%s): replicas are sent away, the store is opened again, nothing is lost or doubled', async fault => {
    const harness = await PeerHarness.start()
    const replicas = [await harness.replica(), await harness.replica()]
    const handles = await Promise.all(
      replicas.map((replica, n) => replica.open(Notes, { workflow: 'w', agent: `a${n}` })),
    )
    const watcher = await harness.following()
    const outsider = await harness.following({ tenant: 'globex' })
    for (const handle of handles) await handle.append('note', 'before').committed
    harness.gate.fault = fault
    const receipts = handles.flatMap(handle => [handle.append('note', 'one'), handle.append('note', 'two')])
    expect(await watcher.next('fail')).toMatchObject({ code: 'WEFT_STORE_FAILED' })
    expect([await watcher.closed, await outsider.closed]).toEqual([1013, 1013])
    await Promise.all(receipts.map(receipt => receipt.committed))
    const log = await harness.ids()
    expect(log).toHaveLength(6)
    expect(new Set(log).size).toBe(6)
    for (const receipt of receipts) expect(log[(await receipt.committed) - 1]).toBe(receipt.change)
    await Promise.all(handles.map(handle => handle.until(() => handle.position === 6)))
    expect(handles[0]!.digest()).toBe(handles[1]!.digest())
    expect(harness.gate.opened).toBe(2)
    expect(await harness.metric('weft_store_failures_total')).toBe(1)
  })

  test('is tried until it opens; meanwhile nobody is let in, and then all goes on', async () => {
    const gate = new StoreGate(new MemoryDisk())
    let broken = false
    const openStore = async (): Promise<Store> => {
      if (broken) throw new Error('no disk')
      return gate.openStore()
    }
    const harness = await PeerHarness.start({ openStore }, gate.disk)
    const author = new Author(1)
    const client = await harness.following()
    broken = true
    gate.fault = 'before'
    client.push(author.append())
    expect(await client.closed).toBe(1013)
    const early = await WireClient.connect(harness.url)
    expect(await early.closed).toBe(1013)
    expect(await harness.http('/readyz')).toMatchObject({ status: 503 })
    expect(await harness.http('/livez')).toMatchObject({ status: 200 })
    broken = false
    await until(async () => (await harness.http('/readyz')).status === 200, 'the store is open again')
    const later = await harness.following()
    later.push(...author.set.changes())
    await later.next('log')
    expect(await harness.ids()).toHaveLength(1)
  })

  test('and is being opened when the peer is to drain, is closed with it', async () => {
    const gate = new StoreGate(new MemoryDisk())
    const stores: Store[] = []
    let open = (): void => {}
    const openStore = async (): Promise<Store> => {
      if (stores.length > 0) {
        await new Promise<void>(resolve => {
          open = resolve
        })
      }
      stores.push(await gate.openStore())
      return stores.at(-1)!
    }
    const harness = await PeerHarness.start({ openStore }, gate.disk)
    const client = await harness.following()
    const opening = open
    gate.fault = 'before'
    client.push(new Author(1).append())
    await client.closed
    await until(() => open !== opening, 'it is being opened')
    const drained = harness.peer.drain()
    await until(
      () =>
        harness.http('/livez').then(
          () => false,
          () => true,
        ),
      'its door is closed',
    )
    open()
    await drained
    expect(stores).toHaveLength(2)
    for (const store of stores) {
      expect((await rejectionOf(store.tenant('acme').head('w'))).code).toBe('WEFT_STORE_CLOSED')
    }
  })
})

describe('draining', () => {
  test('does not wait for whoever was being sent away already', async () => {
    const harness = await PeerHarness.start({ limits: { drain_ms: 2_147_483_647 } })
    const client = await harness.following()
    client.socket.pause()
    client.socket.send('no frame')
    await until(async () => (await harness.metric('weft_connections_failed_total')) > 0, 'it is sent away')
    let isDrained = false
    const drained = harness.peer.drain().then(() => {
      isDrained = true
    })
    client.socket.resume()
    await until(() => isDrained, 'it is drained')
    await drained
  })

  test('does not wait for a connection over which nothing was asked', async () => {
    const harness = await PeerHarness.start({ limits: { drain_ms: 2_147_483_647 } })
    const silent = connect(harness.peer.port, '127.0.0.1')
    const gone = once(silent, 'close')
    await once(silent, 'connect')
    // By now it has been taken, too.
    await harness.http('/readyz')
    await harness.peer.drain()
    await gone
  })

  test('what is under way is written and acknowledged, nothing more is taken, and the report says zero', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const release = harness.gate.hold()
    const changes = new Author(1).appends(3)
    client.push(changes[0]!)
    await until(() => harness.gate.appends === 1, 'the write is under way')
    const drained = harness.peer.drain()
    expect(await harness.http('/readyz')).toMatchObject({ status: 503 })
    client.push(changes[1]!)
    release()
    expect(await drained).toEqual({ unacked: 0 })
    expect(await client.next('log')).toMatchObject({ from: 1 })
    expect(await client.next('fail')).toMatchObject({ code: 'WEFT_DRAINING' })
    expect(await client.closed).toBe(1012)
    expect(await harness.ids()).toEqual([changes[0]!.id])
  })

  test('it ends although writers never pause, and they lose nothing by it', async () => {
    const harness = await PeerHarness.start()
    const replica = await harness.replica()
    const handle = await replica.open(Notes, { workflow: 'w', agent: 'a' })
    let writing = true
    const wrote = (async () => {
      for (let n = 0; writing; n++) await handle.append('note', `${n}`).committed
      await handle.flush()
      return handle.changes().length
    })()
    await until(() => handle.position > 20, 'it is writing')
    await harness.restart()
    const reached = handle.position
    await until(() => handle.position > reached + 20, 'it goes on')
    writing = false
    const count = await wrote
    expect(await harness.ids()).toHaveLength(count)
  })

  test('it ends although frames keep coming faster than the disk writes', async () => {
    const harness = await PeerHarness.start()
    harness.gate.turns = 5
    const client = await harness.following()
    const frames_max = 3_000
    let frames = 0
    let drained = false
    const pushing = (async () => {
      const author = new Author(1)
      for (; !drained && frames < frames_max; frames++) {
        client.push(author.append())
        await nextTurn()
      }
    })()
    await until(() => harness.gate.appends > 20, 'it is writing')
    expect(await harness.peer.drain()).toEqual({ unacked: 0 })
    drained = true
    await pushing
    expect(frames).toBeLessThan(frames_max)
  })

  test('what a failing store did not write is reported as not acknowledged', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    const release = harness.gate.hold()
    client.push(...new Author(1).appends(3))
    await until(() => harness.gate.appends === 1, 'the write is under way')
    harness.gate.fault = 'before'
    const drained = harness.peer.drain()
    release()
    expect(await drained).toEqual({ unacked: 3 })
  })

  test('a disk that does not answer is waited for so long and no longer', async () => {
    const harness = await PeerHarness.start({ limits: { drain_write_ms: 20 } })
    const client = await harness.following()
    harness.gate.hold()
    client.push(...new Author(1).appends(3))
    await until(() => harness.gate.appends === 1, 'the write is under way')
    expect(await harness.peer.drain()).toEqual({ unacked: 3, stuck: true })
  })

  test('a second drain is the first one', async () => {
    const harness = await PeerHarness.start()
    expect(harness.peer.drain()).toBe(harness.peer.drain())
    await harness.peer.close()
  })
})

describe('a context that nobody uses', () => {
  test('is let go, and opens again where it was', async () => {
    const harness = await PeerHarness.start({ limits: { idle_ms: 20 } })
    const author = new Author(1)
    const first = await harness.following()
    first.push(...author.appends(3))
    await first.next('log')
    expect(await harness.metric('weft_contexts_open')).toBe(1)
    await first.close()
    await until(async () => (await harness.metric('weft_contexts_open')) === 0, 'it is let go')
    const second = await harness.following()
    expect(await second.next('log')).toMatchObject({ from: 1 })
    second.push(author.append())
    expect(await second.next('log')).toMatchObject({ from: 4 })
    expect(await harness.ids()).toHaveLength(4)
  })

  test('is kept while anyone follows it, and is one context however many do', async () => {
    const harness = await PeerHarness.start({ limits: { idle_ms: 5 } })
    const staying = await harness.following()
    for (let round = 0; round < 5; round++) await (await harness.following()).close()
    await until(async () => (await harness.metric('weft_connections')) === 1, 'the others are gone')
    expect(await harness.metric('weft_contexts_open')).toBe(1)
    staying.push(new Author(1).append())
    await staying.next('log')
  })

  test('[DUR-4] that is damaged fails alone, with a code, and the connection lives', async () => {
    const harness = await PeerHarness.start({ limits: { idle_ms: 5 } })
    const writer = await harness.following()
    writer.push(...new Author(1).appends(3))
    await writer.next('log')
    await writer.close()
    await until(async () => (await harness.metric('weft_contexts_open')) === 0, 'it is let go')
    harness.disk.tenants.get('acme')!.get('w')!.records[1]!.bytes[40]! ^= 1
    const client = await harness.following({}, 'sound')
    client.open('w', 2)
    expect(await client.next('fail')).toMatchObject({ channel: 2, code: 'WEFT_STORE_CORRUPT' })
    client.send({ name: 'push', channel: 2, changes: [new Author(2).append().bytes] })
    client.push(new Author(3).append())
    expect(await client.next('log')).toMatchObject({ channel: 1 })
    const replica = await harness.replica()
    expect((await rejectionOf(replica.open(Notes, { workflow: 'w', agent: 'a' }))).code).toBe(
      'WEFT_STORE_CORRUPT',
    )
    await replica.open(Notes, { workflow: 'sound', agent: 'a' })
  })
})
