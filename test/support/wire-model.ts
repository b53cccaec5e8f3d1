import {
  type Change,
  type ChangeId,
  checkComplete,
  Dag,
  decodeChange,
  Erasures,
  type LogRecord,
  NO_NODE,
} from '@weft/core'
import { type PeerEffect, PeerSession, type ReplicaEffect, ReplicaSession, type Scope } from '@weft/protocol'
import { sha256 } from './core-property.ts'

export const WORKFLOW = 'w'

/** Whoever submits changes to a log, and is answered. */
interface Origin {
  readonly channel: number
  feed(input: (session: PeerSession) => readonly PeerEffect[]): void
}

/** Another connection, which nobody looks at. */
export const STRANGER: Origin = { channel: 0, feed: () => {} }

/** A committed log as its law says it, and nothing more: what is admitted is written when `commit` is called. */
export class ModelLog {
  readonly records: LogRecord[] = []
  readonly #dag = new Dag()
  readonly #erasures = new Erasures(sha256)
  #admitted: { readonly record: LogRecord; readonly origin: Origin }[] = []
  readonly followers = new Set<PeerEnd>()

  holds(position: number, last: ChangeId | ''): boolean {
    return position === 0 ? last === '' : this.records[position - 1]?.id === last
  }

  submit(change: Change, origin: Origin): void {
    const known = this.#dag.find(change.id)
    if (known !== NO_NODE) {
      const record = this.records[known]
      if (record) origin.feed(session => session.duplicate(origin.channel, record))
      else
        this.#admitted.push({ record: { position: known + 1, id: change.id, bytes: change.bytes }, origin })
      return
    }
    try {
      checkComplete(change, this.#erasures)
      this.#dag.add(change)
      this.#admitted.push({
        record: { position: this.#dag.size, id: change.id, bytes: change.bytes },
        origin,
      })
    } catch (error) {
      origin.feed(session => session.refused(origin.channel, change.id, error))
    }
  }

  commit(): void {
    const batch = this.#admitted
    this.#admitted = []
    for (const { record } of batch) this.records[record.position - 1] ??= record
    if (batch.length === 0) return
    for (const follower of this.followers) {
      const own = batch.flatMap(({ record, origin }) => (origin === follower ? [record] : []))
      follower.feed(session => session.committed(follower.channel, this.records.length, own))
    }
  }

  /** As the store does: at least one record, then until `bytes_max` is reached. */
  read(from: number, bytes_max: number): LogRecord[] {
    const found: LogRecord[] = []
    let bytes = 0
    for (const record of this.records.slice(from - 1)) {
      bytes += record.bytes.length
      if (found.length > 0 && bytes > bytes_max) break
      found.push(record)
    }
    return found
  }
}

/** The peer's end of one connection: frames queue up, and reads of the log are answered when told. */
export class PeerEnd implements Origin {
  readonly session = new PeerSession(sha256)
  readonly sent: Uint8Array[] = []
  readonly reads: { readonly from: number; readonly bytes_max: number }[] = []
  closed: number | undefined
  channel = -1

  constructor(
    readonly log: ModelLog,
    readonly scopes: readonly Scope[] = ['read', 'write'],
  ) {}

  receive(frame: Uint8Array): void {
    this.feed(session => session.receive(frame))
  }

  feed(input: (session: PeerSession) => readonly PeerEffect[]): void {
    for (const effect of input(this.session)) this.#perform(effect)
  }

  answerRead(): void {
    const read = this.reads.shift()
    if (read) {
      this.feed(session => session.records(this.channel, this.log.read(read.from, read.bytes_max)))
    }
  }

  cut(): void {
    this.log.followers.delete(this)
    this.session.disconnected()
  }

  #perform(effect: PeerEffect): void {
    switch (effect.do) {
      case 'send':
        this.sent.push(effect.frame)
        return
      case 'authenticate':
        this.feed(session => session.authenticated({ tenant: 't', scopes: this.scopes }))
        return
      case 'open': {
        this.channel = effect.channel
        this.log.followers.add(this)
        const { records } = this.log
        const known = this.log.holds(effect.after, effect.last)
        this.feed(session => session.opened(effect.channel, records.length, [], known))
        return
      }
      case 'submit':
        for (const change of effect.changes) this.log.submit(change, this)
        return
      case 'read':
        this.reads.push(effect)
        return
      case 'release':
        this.log.followers.delete(this)
        return
      case 'close':
        this.closed = effect.code
    }
  }
}

/** A replica that keeps the log it is given, and nothing else. */
export class ReplicaEnd {
  readonly session = new ReplicaSession('model')
  readonly sent: Uint8Array[] = []
  /** The log as it was delivered. */
  readonly log: ChangeId[] = []
  readonly acked = new Map<ChangeId, number>()
  readonly refused: string[] = []
  readonly failures: string[] = []

  constructor() {
    this.feed(this.session.open(WORKFLOW))
  }

  feed(effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.do) {
      case 'send':
        this.sent.push(effect.frame)
        return
      case 'deliver': {
        if (effect.from !== this.log.length + 1)
          throw new Error(`a gap: ${effect.from} after ${this.log.length}`)
        for (const item of effect.items) {
          this.log.push('id' in item ? item.id : decodeChange(item.bytes, sha256).id)
          this.acked.set(this.log.at(-1)!, this.log.length)
        }
        this.session.delivered(WORKFLOW, this.log.length, this.log.at(-1)!)
        return
      }
      case 'acked':
        for (const { id, position } of effect.acks) this.acked.set(id, position)
        return
      case 'refused':
        this.refused.push(effect.error.code)
        return
      case 'channel-failed':
      case 'failed':
        this.failures.push(effect.error.code)
    }
  }
}

/** Two queues and an explicit flush between a replica and a peer. */
export class Wire {
  peer: PeerEnd | undefined

  constructor(
    readonly replica: ReplicaEnd,
    readonly log: ModelLog,
    private readonly scopes?: readonly Scope[],
  ) {}

  connect(): void {
    this.cut()
    this.peer = new PeerEnd(this.log, this.scopes)
    this.replica.feed(this.replica.session.connected('token'))
  }

  /** What is under way is lost, both ways. */
  cut(): void {
    this.peer?.cut()
    this.peer = undefined
    this.replica.sent.length = 0
    this.replica.session.disconnected()
  }

  /** Carries one frame to the peer. @returns whether there was one */
  toPeer(): boolean {
    const frame = this.peer && this.replica.sent.shift()
    if (frame) this.peer!.receive(frame)
    return frame !== undefined
  }

  toReplica(): boolean {
    const frame = this.peer?.sent.shift()
    if (frame) this.replica.feed(this.replica.session.receive(frame))
    return frame !== undefined
  }

  write(change: Change): void {
    this.replica.session.push(WORKFLOW, change)
    this.replica.feed(this.replica.session.pump())
  }

  propose(change: Change): void {
    this.replica.session.propose(WORKFLOW, change, { heads: [], unmoved: ['state:/a'] })
    this.replica.feed(this.replica.session.pump())
  }

  /** Carries everything until nothing moves any more. */
  flush(): void {
    for (let moving = true; moving; ) {
      moving = this.toPeer() || this.toReplica()
      if (!moving && this.peer && this.peer.reads.length > 0) {
        this.peer.answerRead()
        moving = true
      }
    }
  }
}
