import { type Change, type ChangeId, ChangeSet, decodeChange, fromHex, toHex } from '@weft/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { forged, forgedState, framed, frameOf, packed } from '../support/core-forge.ts'
import { seededHost, sha256 } from '../support/core-property.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import type { WireClient } from '../support/wire-client.ts'

/** One writer's honest history; the last change waits to be pushed, or to be forged. */
class Scene {
  readonly author = new Author(1)
  readonly first = this.author.append()
  readonly second = this.author.edit('a', 1)
  readonly third = this.author.append()
  readonly fourth = this.author.edit('a', 2)

  get committed(): Change[] {
    return [this.first, this.second, this.third]
  }
}

describe('[CHG-2] [CHG-3] [CHG-5] a bad change is refused with its cause, and changes nothing', () => {
  const scene = new Scene()
  const other = new Author(2)
  const stranger = other.append()
  let harness: PeerHarness
  let client: WireClient

  beforeEach(async () => {
    harness = await PeerHarness.start()
    client = await harness.following()
    client.push(...scene.committed)
    await logged(3)
  })

  /** A change with state is tried first, so that those behind it come in frames of their own. */
  async function logged(count: number): Promise<void> {
    while ((await harness.ids()).length < count) await client.next('log')
  }

  const actor = other.set.change(0).header.actor
  const unknown = 'ab'.repeat(32)
  const depsOf = (...ids: ChangeId[]): { deps: Uint8Array } => ({ deps: packed(ids) })
  const { fourth, third, first } = scene

  test.each<[string, string, () => { readonly bytes: Uint8Array }]>([
    ['WEFT_CHANGE_MALFORMED', 'is no change', () => ({ bytes: new Uint8Array(99) })],
    ['WEFT_CHANGE_HASH', 'has other bytes than its header says', () => altered(fourth)],
    [
      'WEFT_CHANGE_MALFORMED',
      'lacks its state',
      () => ({ bytes: framed([frameOf(fourth)[0]!, null, null]) }),
    ],
    ['WEFT_CHANGE_SEQ', 'skips a seq', () => forged(fourth, { seq: 6 })],
    [
      'WEFT_CHANGE_LAMPORT',
      'has a clock that runs ahead',
      () => forged(third, { seq: 4, lamport: 9, ...depsOf(third.id) }),
    ],
    [
      'WEFT_CHANGE_LAMPORT',
      'has a clock that runs late',
      () => forged(third, { seq: 4, lamport: 3, ...depsOf(third.id) }),
    ],
    [
      'WEFT_CHANGE_DEPS_MISSING',
      'depends on what nobody has',
      () => forged(third, { seq: 4, ...depsOf(third.id, unknown) }),
    ],
    [
      'WEFT_CHANGE_DEPS_ACTOR',
      'does not know its actor’s previous change',
      () => forged(third, { seq: 4, lamport: 2, ...depsOf(first.id) }),
    ],
    ['WEFT_CHANGE_SEQ', 'begins an actor in the middle', () => forged(fourth, { actor, seq: 2 })],
    ['WEFT_CHANGE_EQUIVOCATION', 'is a second one of its actor and seq', () => forged(third, { time: 1 })],
    ['WEFT_CHANGE_EQUIVOCATION', 'is a second one with state', () => forged(scene.second, { time: 1 })],
    ['WEFT_CHANGE_STATE', 'has a state change by another actor', () => forged(fourth, { actor, seq: 1 })],
    [
      'WEFT_CHANGE_STATE',
      'has a state change that was there',
      () => forged(fourth, { state: scene.second.state }),
    ],
    [
      'WEFT_CHANGE_STATE',
      'has a state change with a wrong checksum',
      () => forged(fourth, { state: flipped(fourth.state!) }),
    ],
    [
      'WEFT_CHANGE_STATE',
      'has a state change of another type',
      () => forged(fourth, { state: forgedState(fourth.state!, bytes => bytes.fill(2, 8, 9)) }),
    ],
  ])('%s: it %s', async (code, _, make) => {
    client.push(make())
    expect(await client.next('refuse')).toMatchObject({ code })
    expect(await harness.ids()).toEqual(scene.committed.map(change => change.id))
    // Its author, and all others, go on.
    client.push(fourth, stranger)
    await logged(5)
    expect(await harness.ids()).toEqual([...scene.committed, fourth, stranger].map(change => change.id))
    expect(await harness.metric('weft_changes_refused_total')).toBe(1)
  })

  test('those that depend on a refused change are refused as well, and what is between them is taken', async () => {
    const liar = new Author(3)
    const bad = forged(liar.append(), { lamport: 5 })
    const child = forged(liar.append(), { lamport: 6, deps: fromHex(bad.id) })
    client.push(bad, stranger, child)
    expect([await client.next('refuse'), await client.next('refuse')]).toMatchObject([
      { code: 'WEFT_CHANGE_LAMPORT' },
      { code: 'WEFT_CHANGE_DEPS_MISSING' },
    ])
    await client.next('log')
    expect(await harness.ids()).toHaveLength(4)
  })

  test('what the peer admits every replica can take in, whatever was forged', async () => {
    const host = seededHost(77)
    const pool = [...scene.committed, fourth, stranger]
    for (let run = 0; run < 300; run++) {
      const byte = new Uint8Array(4)
      host.random(byte, 0, 4)
      const model = pool[byte[0]! % pool.length]!
      const { seq, lamport } = model.header
      client.push(
        forged(model, {
          seq: Math.max(1, seq + (byte[1]! % 3) - 1),
          lamport: Math.max(1, lamport + (byte[2]! % 3) - 1),
          time: run,
          deps: packed(pool.filter((_, index) => (byte[3]! >> index) & 1).map(change => change.id)),
          notes: { forks: ['main', 'x', 'x'].slice(byte[1]! % 4) },
        }),
      )
    }
    const last = new Author(4).edit('z', 1)
    client.push(fourth, last)
    while (!(await harness.ids()).includes(last.id)) await client.next('log')
    const set = new ChangeSet(sha256)
    for (const { bytes } of await harness.log()) set.add(decodeChange(bytes, sha256))
    expect(set.size).toBeGreaterThan(4)
    expect(set.entries(set.everything()).length).toBeGreaterThan(2)
  })
})

describe('offering again', () => {
  test('[DUR-3] a change that the log has is acknowledged where it stands, from any connection', async () => {
    const harness = await PeerHarness.start()
    const changes = new Author(1).appends(3)
    const [one, two] = [await harness.following(), await harness.following()]
    one.push(...changes)
    await one.next('log')
    await two.next('log')
    for (const client of [one, two]) {
      client.push(changes[1]!)
      const ack = await client.next('ack')
      expect([toHex(ack.ids), ack.positions]).toEqual([changes[1]!.id, [2]])
    }
    expect(await harness.ids()).toEqual(changes.map(change => change.id))
  })

  test('[DUR-2] one change offered by two connections at once stands in the log once, and both hear of it', async () => {
    const harness = await PeerHarness.start()
    const [one, two] = [await harness.following(), await harness.following()]
    const release = harness.gate.hold()
    const [first, second] = new Author(1).appends(2)
    one.push(first!, second!, first!)
    two.push(first!, second!)
    one.push(first!)
    await until(async () => (await harness.metric('weft_frames_received_total')) === 7, 'all have come')
    release()
    for (const client of [one, two]) {
      const heard = new Set<number>()
      while (heard.size < 2) {
        const message = await Promise.race([client.next('log'), client.next('ack')])
        if (message.name === 'log') message.items.forEach((_, index) => void heard.add(message.from + index))
        else for (const position of message.positions) heard.add(position)
      }
    }
    expect(await harness.ids()).toEqual([first!.id, second!.id])
  })
})

function altered(change: Change): { readonly bytes: Uint8Array } {
  const bytes = change.bytes.slice()
  bytes[bytes.length - 2]! ^= 4
  return { bytes }
}

function flipped(state: Uint8Array): Uint8Array {
  const bytes = state.slice()
  bytes[bytes.length - 1]! ^= 1
  return bytes
}
