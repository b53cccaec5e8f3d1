import { decodeMessage, encodeMessage, type Message, WIRE_LIMITS } from '@weft/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds, pick, seededDice } from '../support/core-property.ts'
import { Author } from '../support/wire-author.ts'
import { ModelLog, ReplicaEnd, STRANGER, Wire } from '../support/wire-model.ts'

/** What may happen next, to which of the connections. Most of it moves one frame. */
const STEPS = [
  'write',
  'write',
  'propose',
  'offer-again',
  'to-peer',
  'to-peer',
  'to-replica',
  'to-replica',
  'commit',
  'read',
  'congest',
  'relieve',
  'cut',
  'connect',
] as const
type Step = { readonly what: (typeof STEPS)[number]; readonly who: number }

const plans = fc.record({
  replicas: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(fc.record({ what: fc.constantFrom(...STEPS), who: fc.nat(2) }), {
    maxLength: 120,
    size: 'max',
  }),
})

/** Replicas that write, and a peer, with everything between them under the control of a plan. */
class World {
  readonly log = new ModelLog()
  readonly wires: Wire[]
  readonly authors: Author[]
  readonly written: string[] = []

  constructor(replicas: number) {
    this.authors = Array.from({ length: replicas }, (_, seed) => new Author(seed + 1))
    this.wires = this.authors.map(() => new Wire(new ReplicaEnd(), this.log))
  }

  play({ what, who }: Step): void {
    const wire = pick(this.wires, who)
    const author = pick(this.authors, who)
    switch (what) {
      case 'write': {
        const change = author.append()
        this.written.push(change.id)
        wire.write(change)
        return
      }
      case 'propose': {
        // By an actor of its own, as a replica does.
        const change = new Author(1_000 + this.written.length).append()
        this.written.push(change.id)
        wire.propose(change)
        return
      }
      case 'offer-again': {
        // As a replica does that cannot know what became of its changes.
        const all = author.set.changes()
        if (all.length > 0) wire.write(pick(all, who * 7 + all.length))
        return
      }
      case 'to-peer':
        wire.toPeer()
        return
      case 'to-replica':
        wire.toReplica()
        return
      case 'commit':
        this.log.commit()
        return
      case 'read':
        wire.peer?.answerRead()
        return
      case 'congest':
      case 'relieve':
        wire.peer?.feed(session => session.congested(what === 'congest'))
        return
      case 'cut':
        wire.cut()
        return
      case 'connect':
        if (wire.peer === undefined) wire.connect()
    }
  }

  /** All are connected, and everything is let through. */
  settle(): void {
    for (const wire of this.wires) {
      if (wire.peer === undefined) wire.connect()
      wire.peer!.feed(session => session.congested(false))
    }
    for (let before = -1; before !== this.log.records.length; ) {
      before = this.log.records.length
      for (const wire of this.wires) wire.flush()
      this.log.commit()
      for (const wire of this.wires) wire.flush()
    }
  }
}

describe('the two sessions, whatever happens between them', () => {
  test('[DUR-3] every change ends in the log exactly once, and every replica gets the whole log without a gap', () => {
    holds(
      plans,
      ({ replicas, steps }) => {
        const world = new World(replicas)
        for (const step of steps) world.play(step)
        world.settle()
        const log = world.log.records.map(record => record.id)
        expect([...log].sort()).toEqual([...world.written].sort())
        for (const { replica, peer } of world.wires) {
          expect(replica.log).toEqual(log)
          expect(replica.session.pendingOf('w').size).toBe(0)
          expect(replica.refused).toEqual([])
          expect(replica.failures).toEqual([])
          expect(peer?.closed).toBeUndefined()
        }
      },
      800,
    )
  })

  test('[DUR-1] no change is reported as durable before it is in the log, nor at another position', () => {
    holds(
      plans,
      ({ replicas, steps }) => {
        const world = new World(replicas)
        for (const step of steps) {
          world.play(step)
          for (const { replica } of world.wires) {
            for (const [id, position] of replica.acked) expect(world.log.records[position - 1]?.id).toBe(id)
          }
        }
      },
      300,
    )
  })
})

describe('flow control', () => {
  const LARGE = 250_000
  const SLACK = LARGE + 1_000

  test('the log under way to a replica stays within its bound, however slowly it is taken in', () => {
    for (const seed of [1, 2, 3]) {
      const dice = seededDice(seed)
      const world = new World(1)
      const wire = world.wires[0]!
      for (const change of world.authors[0]!.appends(30, LARGE)) {
        world.log.submit(change, STRANGER)
      }
      world.log.commit()
      wire.connect()
      let most = 0
      const meter = new LogMeter()
      while (wire.replica.log.length < 30) {
        const peer = wire.peer!
        const dozes = dice(3) > 0
        if (dozes) while (peer.reads.length > 0) peer.answerRead()
        else wire.toReplica()
        const toPeer = wire.replica.sent[0]
        if (toPeer) meter.peerGets(toPeer)
        wire.toPeer()
        for (const frame of peer.sent) meter.peerSends(frame)
        most = Math.max(most, meter.bytes)
      }
      expect(most).toBeLessThanOrEqual(WIRE_LIMITS.log_bytes_max + SLACK)
      expect(most).toBeGreaterThan(WIRE_LIMITS.log_bytes_max / 2)
    }
  })

  test('a replica that never says what it has seen is sent no more', () => {
    const world = new World(1)
    const wire = world.wires[0]!
    wire.connect()
    wire.flush()
    // Its own changes, which the log brings as ids, count as well.
    let sentBytes = 0
    wire.peer!.sent.push = (...frames) => {
      for (const frame of frames) if (decodeMessage(frame).name === 'log') sentBytes += frame.length
      return 0
    }
    const author = world.authors[0]!
    for (let round = 0; round < 12; round++) {
      for (const change of author.appends(4, LARGE)) world.log.submit(change, STRANGER)
      world.log.commit()
      while (wire.peer!.reads.length > 0) wire.peer!.answerRead()
    }
    expect(sentBytes).toBeGreaterThan(WIRE_LIMITS.log_bytes_max / 2)
    expect(sentBytes).toBeLessThanOrEqual(WIRE_LIMITS.log_bytes_max + SLACK)
  })

  test('a replica pushes no more than may be unanswered, and goes on when it has its answers', () => {
    const world = new World(1)
    const wire = world.wires[0]!
    wire.connect()
    wire.flush()
    const changes = world.authors[0]!.appends(40, LARGE)
    for (const change of changes) wire.write(change)
    const under = wire.replica.sent.reduce((sum, frame) => sum + frame.length, 0)
    expect(under).toBeLessThanOrEqual(WIRE_LIMITS.push_bytes_max + 100 * wire.replica.sent.length)
    expect(under).toBeGreaterThan(WIRE_LIMITS.push_bytes_max - 2 * LARGE)
    world.settle()
    expect(wire.peer!.closed).toBeUndefined()
    expect(world.log.records).toHaveLength(40)
  })

  test('a peer ends the connection of a replica that pushes more', () => {
    const world = new World(1)
    const wire = world.wires[0]!
    wire.connect()
    wire.flush()
    for (const change of world.authors[0]!.appends(18, LARGE)) {
      wire.peer!.receive(encodeMessage({ name: 'push', channel: 1, changes: [change.bytes] }))
    }
    expect(wire.peer!.closed).toBe(4400)
    expect(decodeMessage(wire.peer!.sent.at(-1)!)).toMatchObject({ name: 'fail', code: 'WEFT_FLOW_CONTROL' })
  })

  test('offering acknowledged changes again, before the log has passed them, takes nothing from the bound', () => {
    const world = new World(1)
    const wire = world.wires[0]!
    wire.connect()
    wire.flush()
    const changes = world.authors[0]!.appends(12, LARGE)
    const push = (change: (typeof changes)[number]): void =>
      wire.peer!.receive(encodeMessage({ name: 'push', channel: 1, changes: [change.bytes] }))
    // Something of another connection keeps the cursor back, so that these are answered by acks.
    world.log.submit(new Author(9).append(), STRANGER)
    for (const change of changes) push(change)
    world.log.commit()
    for (let again = 0; again < 3; again++) for (const change of changes) push(change)
    for (const change of new Author(5).appends(18, LARGE)) push(change)
    expect(wire.peer!.closed).toBe(4400)
  })

  test('what does not fit into one frame is split', () => {
    const world = new World(2)
    const [writer, reader] = world.wires as [Wire, Wire]
    writer.connect()
    writer.flush()
    reader.connect()
    reader.flush()
    const many = 2 * WIRE_LIMITS.changes_per_frame_max + 5
    for (const change of world.authors[0]!.appends(many, 1)) writer.replica.session.push('w', change)
    // The other's change in the same batch: the writer gets acks, all at once.
    reader.write(world.authors[1]!.append())
    reader.toPeer()
    writer.replica.feed(writer.replica.session.pump())
    expect(writer.replica.sent.length).toBeGreaterThan(2)
    const names = new Set<Message['name']>()
    const bounded = (frames: readonly Uint8Array[]): void => {
      for (const frame of frames) names.add(decodeMessage(frame).name)
    }
    bounded(writer.replica.sent)
    while (writer.toPeer());
    world.log.commit()
    bounded(writer.peer!.sent)
    world.settle()
    expect(names).toContain('ack')
    for (const { replica } of world.wires) expect(replica.log).toHaveLength(many + 1)
    expect(writer.replica.session.pendingOf('w').size).toBe(0)
  })
})

/** The bytes of log frames that were sent and not reported as seen. */
class LogMeter {
  readonly #sent = new Map<Uint8Array, { readonly position: number; readonly bytes: number }>()
  readonly #known = new WeakSet<Uint8Array>()

  get bytes(): number {
    return [...this.#sent.values()].reduce((sum, each) => sum + each.bytes, 0)
  }

  peerSends(frame: Uint8Array): void {
    if (this.#known.has(frame)) return
    this.#known.add(frame)
    const message = decodeMessage(frame)
    if (message.name !== 'log') return
    this.#sent.set(frame, { position: message.from + message.items.length - 1, bytes: frame.length })
  }

  peerGets(frame: Uint8Array): void {
    const message = decodeMessage(frame)
    if (message.name !== 'seen') return
    for (const [sent, { position }] of this.#sent) if (position <= message.position) this.#sent.delete(sent)
  }
}
