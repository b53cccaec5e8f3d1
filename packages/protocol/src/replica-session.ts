import {
  type Change,
  type ChangeId,
  fromHex,
  isEngineWorkflow,
  type Position,
  type Preconditions,
  toHex,
  unpackIds,
} from '@weft/core'
import { checkFits, decodeMessage, encodeMessage } from './codec.js'
import { type Fields, isFromReplica, type Message, PROTOCOL_VERSIONS, WIRE_LIMITS } from './messages.js'
import { framesOf, type Offer, proposalOf } from './offers.js'
import { Questions } from './questions.js'
import type { LogItem, ReplicaEffect } from './replica-effects.js'
import { reported, unexpected } from './session-errors.js'
import { newSubscription, type Subscription } from './subscription.js'
import { writeScopeOf } from './write-scope.js'

type Phase = 'offline' | 'greeting' | 'ready'

/**
 * One replica's side of the wire, over any number of connections, without sockets or clocks: inputs in, effects out.
 *
 *   offline ── connected ──▶ greeting ── welcome ──▶ ready ── disconnected ──▶ offline
 *
 * and for each subscription, while ready: wanted ▶ opening ▶ catching-up ▶ live. Changes are pushed while live, or
 * catching up without a rollback; after a rollback they wait until the replica has seen what the peer still has.
 */
export class ReplicaSession {
  #phase: Phase = 'offline'
  #nextChannel = 1
  #pushBytesMax: number = WIRE_LIMITS.push_bytes_max
  #scopes: readonly string[] = []
  #tenant: string | undefined
  #inFlight = 0
  readonly #byWorkflow = new Map<string, Subscription>()
  readonly #byChannel = new Map<number, Subscription>()

  readonly questions = new Questions()

  constructor(private readonly client: string) {}

  get phase(): Phase {
    return this.#phase
  }

  /** Whether the token of this connection allows to write to a workflow. */
  mayWrite(workflow: string): boolean {
    return this.#scopes.includes(writeScopeOf(workflow))
  }

  /** Whether the token of this connection allows to erase what others can read (ERA-1). */
  get mayErase(): boolean {
    return this.#scopes.includes('admin')
  }

  /** As the peer read it from the token; undefined before the first connection. */
  get tenant(): string | undefined {
    return this.#tenant
  }

  connected(token: string): ReplicaEffect[] {
    this.#phase = 'greeting'
    return [send({ name: 'hello', versions: PROTOCOL_VERSIONS, token, client: this.client })]
  }

  disconnected(): void {
    this.#phase = 'offline'
    this.#inFlight = 0
    this.questions.disconnected()
    for (const subscription of this.#byWorkflow.values()) {
      subscription.status = 'wanted'
      subscription.unseenBytes = 0
      for (const change of subscription.pending.values()) change.sent = false
    }
  }

  /**
   * Subscribes to a context from the beginning; again after every reconnect, from where it was.
   * @param told up to where its log was known before the peer failed it
   */
  open(workflow: string, told: Position = 0): ReplicaEffect[] {
    if (this.#byWorkflow.has(workflow)) return []
    const subscription = newSubscription(workflow, this.#nextChannel++, told)
    this.#byWorkflow.set(workflow, subscription)
    this.#byChannel.set(subscription.channel, subscription)
    return this.#phase === 'ready' ? [this.#openMessage(subscription)] : []
  }

  shut(workflow: string): ReplicaEffect[] {
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription === undefined) return []
    this.#forget(subscription)
    return this.#phase === 'ready' ? [send({ name: 'shut', channel: subscription.channel })] : []
  }

  /** Queues a change of this replica; `pump` sends it when it may. */
  push(workflow: string, change: Change): void {
    this.#queue(workflow, change, undefined)
  }

  /**
   * As `push`, of a change that is to be taken only if something holds at the peer (DUR-6).
   * @throws WEFT_USAGE · WEFT_INTERNAL when the peer could not read it; it is not sent then
   */
  propose(workflow: string, change: Change, preconditions: Preconditions): void {
    const channel = this.#byWorkflow.get(workflow)?.channel ?? 0
    checkFits(proposalOf(channel, change.bytes, preconditions))
    this.#queue(workflow, change, preconditions)
  }

  #queue(workflow: string, { id, bytes }: Change, preconditions: Preconditions | undefined): void {
    const pending = this.#byWorkflow.get(workflow)?.pending
    if (pending && !pending.has(id)) pending.set(id, { bytes, preconditions, ...NEVER_SENT })
  }

  /** Takes changes back. @returns those that the peer will answer nevertheless */
  withdraw(workflow: string, ids: Iterable<ChangeId>): ChangeId[] {
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription === undefined) return []
    const { pending } = subscription
    const withdrawn = [...ids].filter(id => pending.has(id))
    const sent = withdrawn.filter(id => pending.get(id)!.sent)
    for (const id of withdrawn) this.#answered(subscription, id)
    return sent
  }

  /** Replaces the queue by what the log lacks of what this replica holds, deps first; proposals come after it. */
  offer(workflow: string, changes: readonly Change[]): void {
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription === undefined) return
    const { pending } = subscription
    const proposals = [...pending].filter(([, { preconditions }]) => preconditions !== undefined)
    this.withdraw(workflow, [...pending.keys()])
    subscription.afterRollback = false
    for (const change of changes) this.push(workflow, change)
    for (const [id, proposal] of proposals) pending.set(id, { ...proposal, sent: false })
  }

  /** Those of these that have no answer are sent as they are here, in this order, proposals after them (ERA-1). */
  restate(workflow: string, changes: readonly Change[]): void {
    const pending = this.#byWorkflow.get(workflow)?.pending ?? new Map<ChangeId, Offer>()
    for (const { id, bytes } of changes) {
      const offer = pending.get(id)
      if (offer === undefined) continue
      if (offer.sent) this.#inFlight += bytes.length - offer.bytes.length
      pending.delete(id)
      pending.set(id, { ...offer, bytes })
    }
    for (const [id, offer] of [...pending]) {
      if (offer.preconditions === undefined) continue
      pending.delete(id)
      pending.set(id, offer)
    }
  }

  /** Changes without an answer. */
  pendingOf(workflow: string): ReadonlySet<ChangeId> {
    return new Set(this.#byWorkflow.get(workflow)?.pending.keys())
  }

  /** Those of them that the peer may have taken. */
  undecidedOf(workflow: string): ReadonlySet<ChangeId> {
    const pending = [...(this.#byWorkflow.get(workflow)?.pending ?? [])]
    return new Set(pending.flatMap(([id, { offered }]) => (offered ? [id] : [])))
  }

  /** Sends what may be sent, as few frames as will do. */
  pump(): ReplicaEffect[] {
    if (this.#phase !== 'ready') return []
    const effects = this.questions.unsent().map(send)
    for (const subscription of this.#byWorkflow.values()) {
      const { status, afterRollback, channel } = subscription
      if (status === 'wanted' || status === 'opening' || afterRollback) continue
      for (const frame of framesOf(channel, this.#takeUnsent(subscription)))
        effects.push({ do: 'send', frame })
    }
    return effects
  }

  /** @throws WEFT_FRAME_* when the peer does not keep to the protocol; the connection should be ended then */
  receive(frame: Uint8Array): ReplicaEffect[] {
    const message = decodeMessage(frame)
    if (isFromReplica(message.name)) throw unexpected(message.name, 'only a replica sends it')
    if ((message.name === 'welcome') === (this.#phase === 'ready')) {
      if (message.name !== 'fail') throw unexpected(message.name, `the session is ${this.#phase}`)
    }
    switch (message.name) {
      case 'welcome':
        return this.#welcomed(message)
      case 'opened':
        return this.#opened(message)
      case 'log':
        return this.#log(message)
      case 'ack':
        return this.#acked(message)
      case 'refuse':
        return this.#refused(message)
      case 'attested':
      case 'renewed':
      case 'current':
      case 'barred':
      case 'denied':
        return [this.questions.answer(message)]
      default:
        return this.#failed(message as Message & { name: 'fail' })
    }
  }

  #welcomed({ tenant, scopes, push_bytes_max }: Fields<'welcome'>): ReplicaEffect[] {
    this.#phase = 'ready'
    this.#pushBytesMax = push_bytes_max
    this.#scopes = scopes
    this.#tenant = tenant
    const opens = [...this.#byWorkflow.values()].map(subscription => this.#openMessage(subscription))
    return [{ do: 'welcomed', tenant, scopes }, ...opens, ...this.pump()]
  }

  #opened({ channel, count, heads, known }: Fields<'opened'>): ReplicaEffect[] {
    const subscription = this.#subscription(channel)
    if (subscription === undefined) return []
    const { workflow } = subscription
    const rollback = count < subscription.told || !known
    if (!known) {
      subscription.position = 0
      subscription.last = ''
    }
    if (rollback) {
      subscription.told = count
      subscription.afterRollback = true
    }
    subscription.status = 'catching-up'
    subscription.target = count
    subscription.heads = unpackIds(heads)
    subscription.told = Math.max(subscription.told, count)
    const { position } = subscription
    return [
      { do: 'opened', workflow, count, rollback, position },
      ...this.#checkCaughtUp(subscription),
      ...this.pump(),
    ]
  }

  #log({ channel, from, items: parts }: Fields<'log'>): ReplicaEffect[] {
    const subscription = this.#subscription(channel)
    if (subscription === undefined || parts.length === 0) return []
    if (from !== subscription.position + 1)
      throw unexpected('log', `it begins at ${from}, not ${subscription.position + 1}`)
    const items: LogItem[] = parts.map(part =>
      part.length === ID_BYTES ? { id: toHex(part) } : { bytes: part },
    )
    subscription.position += items.length
    subscription.told = Math.max(subscription.told, subscription.position)
    for (const item of items) if ('id' in item) this.#answered(subscription, item.id)
    const effects: ReplicaEffect[] = [{ do: 'deliver', workflow: subscription.workflow, from, items }]
    return [
      ...effects,
      ...this.#reportSeen(subscription, parts),
      ...this.#checkCaughtUp(subscription),
      ...this.pump(),
    ]
  }

  /** The shell says which change the log ends with here, for the next `open`. */
  delivered(workflow: string, position: Position, last: ChangeId): void {
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription?.position === position) subscription.last = last
  }

  /** The shell could take the log in only up to here; what came after is asked for again at the next connection. */
  rewind(workflow: string, position: Position, last: ChangeId | ''): void {
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription === undefined) return
    subscription.position = position
    subscription.last = last
  }

  /** After this position the log is another one than was told (DUR-5): it is read again, then what it lacks is offered. */
  rolledBack(workflow: string, position: Position, last: ChangeId | ''): void {
    this.rewind(workflow, position, last)
    const subscription = this.#byWorkflow.get(workflow)
    if (subscription) subscription.afterRollback = true
  }

  #acked({ channel, ids, positions }: Fields<'ack'>): ReplicaEffect[] {
    const subscription = this.#subscription(channel)
    if (subscription === undefined) return []
    if (ids.length !== positions.length * ID_BYTES)
      throw unexpected('ack', 'ids and positions differ in number')
    const acks = unpackIds(ids).map((id, index) => ({ id, position: positions[index]! }))
    for (const { id, position } of acks) {
      this.#answered(subscription, id)
      subscription.told = Math.max(subscription.told, position)
    }
    return [{ do: 'acked', workflow: subscription.workflow, acks }, ...this.pump()]
  }

  #refused(message: Fields<'refuse'>): ReplicaEffect[] {
    const subscription = this.#subscription(message.channel)
    if (subscription === undefined) return []
    const id = toHex(message.id)
    const offer = subscription.pending.get(id)
    this.#answered(subscription, id)
    if (offer?.sentBefore && message.code === 'WEFT_QUOTA_RATE') {
      // That there is no rate for it now does not say what became of it over the connection before: it is asked again.
      subscription.pending.set(id, { ...offer, sent: false })
      return this.pump()
    }
    const error = reported(message)
    return [{ do: 'refused', workflow: subscription.workflow, id, error }, ...this.pump()]
  }

  #failed({ channel, code, message, cure }: Fields<'fail'>): ReplicaEffect[] {
    const error = reported({ code, message, cure })
    if (channel === null) return [{ do: 'failed', error }]
    const subscription = this.#subscription(channel)
    if (subscription === undefined) return []
    const { workflow } = subscription
    const undecided = this.undecidedOf(workflow)
    this.#forget(subscription)
    return [
      // The peer passes over what is under way on the channel until then.
      send({ name: 'shut', channel }),
      { do: 'channel-failed', workflow, error, undecided },
    ]
  }

  #openMessage(subscription: Subscription): ReplicaEffect {
    subscription.status = 'opening'
    const { channel, workflow, position, last } = subscription
    return send({ name: 'open', channel, workflow, after: position, last: fromHex(last) })
  }

  #checkCaughtUp(subscription: Subscription): ReplicaEffect[] {
    const { status, position, target, workflow, afterRollback, heads } = subscription
    if (status !== 'catching-up' || position < target) return []
    subscription.status = 'live'
    return [{ do: 'caught-up', workflow, afterRollback, heads }]
  }

  #reportSeen(subscription: Subscription, parts: readonly Uint8Array[]): ReplicaEffect[] {
    for (const part of parts) subscription.unseenBytes += part.length
    const isDue = subscription.unseenBytes * SEEN_SHARE >= WIRE_LIMITS.log_bytes_max
    // Somebody may wait until an overlay is known to everybody.
    if (!isDue && !isEngineWorkflow(subscription.workflow)) return []
    subscription.unseenBytes = 0
    return [send({ name: 'seen', channel: subscription.channel, position: subscription.position })]
  }

  #takeUnsent({ pending }: Subscription): Offer[] {
    const taken: Offer[] = []
    for (const offer of pending.values()) {
      if (offer.sent) continue
      if (this.#inFlight > 0 && this.#inFlight + offer.bytes.length > this.#pushBytesMax) break
      offer.sent = true
      offer.sentBefore = offer.offered
      offer.offered = true
      this.#inFlight += offer.bytes.length
      taken.push(offer)
    }
    return taken
  }

  #answered({ pending }: Subscription, id: ChangeId): void {
    const change = pending.get(id)
    if (change === undefined) return
    if (change.sent) this.#inFlight -= change.bytes.length
    pending.delete(id)
  }

  #forget(subscription: Subscription): void {
    this.withdraw(subscription.workflow, [...subscription.pending.keys()])
    this.#byWorkflow.delete(subscription.workflow)
    this.#byChannel.delete(subscription.channel)
  }

  /** Undefined for a channel that has been shut while its messages were under way. */
  #subscription(channel: number): Subscription | undefined {
    return this.#byChannel.get(channel)
  }
}

const ID_BYTES = 32
const NEVER_SENT = { sent: false, sentBefore: false, offered: false }
/** `seen` is due at this share of what the peer may have under way. */
const SEEN_SHARE = 4

function send(message: Message): ReplicaEffect {
  return { do: 'send', frame: encodeMessage(message) }
}
