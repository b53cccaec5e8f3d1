import {
  type Change,
  type ChangeId,
  decodeChange,
  fromHex,
  type Hash,
  isEngineWorkflow,
  type LogRecord,
  type OverlayHolder,
  type Position,
  type Preconditions,
  toHex,
  unpackIds,
} from '@weft/core'
import { closeCodeOf } from './close-codes.js'
import { decodeMessage, encodeMessage } from './codec.js'
import { groupsOf } from './groups.js'
import { type Fields, isFromReplica, type Message, type MessageName, WIRE_LIMITS } from './messages.js'
import { Offering } from './offering.js'
import { type Channel, continues, newChannel, noteSeen, noteSent } from './peer-channel.js'
import type { Grant, PeerEffect, Scope } from './peer-effects.js'
import {
  acknowledge,
  asked,
  packHeads,
  type Question,
  send,
  sendBarred,
  sendDenial,
  sendFail,
  sendRefusal,
} from './peer-frames.js'
import { asWeftError, noScope, tooManyChannels, tooMuchUnanswered, unexpected } from './session-errors.js'
import { negotiateVersion } from './version.js'
import { writeScopeOf } from './write-scope.js'

/** One read of the log; small, so that nobody keeps the others waiting. */
const READ_BYTES_MAX = 32_768

type Phase = 'greeting' | 'authenticating' | 'open' | 'closed'

/**
 * One connection as the peer sees it, without sockets, stores or clocks: inputs in, effects out.
 *
 *   greeting ── hello ──▶ authenticating ── authenticated ──▶ open ──▶ closed
 *       └──────────── any error, deadline, close ─────────────┴──────────▲
 *
 * A subscriber is a cursor into the log: at most `log_bytes_max` is under way to it, and what it has not asked for
 * stays on disk. A replica may have `push_bytes_max` of changes unanswered; more ends the connection.
 */
export class PeerSession {
  #phase: Phase = 'greeting'
  #version = 0
  #client = ''
  #grant: Grant | undefined
  #unansweredBytes = 0
  #congested = false
  #offering: Offering | undefined
  readonly #channels = new Map<number, Channel>()
  /** Channels that failed. What the replica sent on them before it knew is passed over, until it shuts them. */
  readonly #failed = new Set<number>()

  constructor(private readonly hash: Hash) {}

  get phase(): Phase {
    return this.#phase
  }

  /** How the replica calls itself: for people. */
  get client(): string {
    return this.#client
  }

  /** Takes a frame, and of the changes in it what costs `cost_max`; the next one is for when nothing is `unfinished`. */
  receive(frame: Uint8Array, cost_max = Number.POSITIVE_INFINITY): PeerEffect[] {
    if (this.#phase === 'closed') return []
    try {
      return [...this.#dispatch(decodeMessage(frame)), ...this.#takeOffered(cost_max)]
    } catch (thrown) {
      return this.fail(thrown)
    }
  }

  /** The rest of the changes that the last frame has offered; undefined when all are taken. */
  get unfinished(): Pick<Offering, 'channel' | 'cost' | 'preconditions' | 'ids'> | undefined {
    return this.#offering
  }

  /** Goes on with those changes. */
  proceed(cost_max: number): PeerEffect[] {
    try {
      return this.#takeOffered(cost_max)
    } catch (thrown) {
      return this.fail(thrown)
    }
  }

  /** Refuses those changes instead. */
  decline(ids: readonly (ChangeId | '')[], error: unknown): PeerEffect[] {
    const channel = this.#offering?.channel ?? 0
    this.#offering = undefined
    return ids.flatMap(id => this.refused(channel, id, error))
  }

  authenticated(grant: Grant): PeerEffect[] {
    if (this.#phase !== 'authenticating') return []
    this.#phase = 'open'
    this.#grant = grant
    const { push_bytes_max, frame_bytes_max } = WIRE_LIMITS
    const { tenant, scopes } = grant
    return [
      send({ name: 'welcome', version: this.#version, tenant, scopes, push_bytes_max, frame_bytes_max }),
    ]
  }

  /** The context of a channel is open: how long its log is, its heads, and whether it holds what the replica knows. */
  opened(channel: number, count: Position, heads: readonly ChangeId[], known: boolean): PeerEffect[] {
    const state = this.#channels.get(channel)
    if (state === undefined || this.#phase === 'closed') return []
    state.ready = true
    state.count = count
    if (!known) state.cursor = 0
    return [
      send({ name: 'opened', channel, count, heads: packHeads(heads), known }),
      ...this.#pull(channel, state),
    ]
  }

  /** The answer to a `read`. */
  records(channel: number, records: readonly LogRecord[]): PeerEffect[] {
    const state = this.#channels.get(channel)
    if (state === undefined || this.#phase === 'closed') return []
    state.reading = false
    const first = records[0]
    // What was read for a socket that has filled up since is read again later: nothing is held here for it.
    if (this.#congested || first?.position !== state.cursor + 1) return this.#pull(channel, state)
    const items = records.map(({ id, bytes }) => (this.#passed(state, id) ? fromHex(id) : bytes))
    const effects: PeerEffect[] = []
    for (const group of groupsOf(items, item => item.length)) {
      const frame = encodeMessage({ name: 'log', channel, from: state.cursor + 1, items: group })
      state.cursor += group.length
      noteSent(state, frame.length)
      effects.push({ do: 'send', frame })
    }
    return [...effects, ...this.#pull(channel, state)]
  }

  /** The log has grown to `count`, fsynced; `own` are the changes in it that came over this connection. */
  committed(channel: number, count: Position, own: readonly LogRecord[]): PeerEffect[] {
    const state = this.#channels.get(channel)
    if (state === undefined || this.#phase === 'closed') return []
    state.count = Math.max(state.count, count)
    for (const record of own) this.#committedOwn(state, record)
    // Where the log goes on with nothing else, it is itself the acknowledgement.
    if (this.#mayRead(state) && continues(own, state)) return this.records(channel, own)
    return [...acknowledge(channel, own), ...this.#pull(channel, state)]
  }

  /** A change that is in the log already was offered again: harmless, and acknowledged with its position. */
  duplicate(channel: number, record: LogRecord): PeerEffect[] {
    const state = this.#channels.get(channel)
    if (state === undefined || this.#phase === 'closed') return []
    this.#committedOwn(state, record)
    return acknowledge(channel, [record])
  }

  refused(channel: number, id: ChangeId | '', error: unknown): PeerEffect[] {
    const state = this.#channels.get(channel)
    if (state === undefined || this.#phase === 'closed') return []
    this.#passed(state, id)
    const reported = asWeftError(error)
    return [{ do: 'refused', code: reported.code }, sendRefusal(channel, id, reported)]
  }

  /** The answer to `attest` (a token) or to `present` (none): the log reaches, or must reach, to `position`. */
  attested(request: number, position: Position, token: string): PeerEffect[] {
    return this.#phase === 'open' ? [send({ name: 'attested', request, position, token })] : []
  }

  renewed(request: number, ttl_ms: number): PeerEffect[] {
    return this.#phase === 'open' ? [send({ name: 'renewed', request, ttl_ms })] : []
  }

  /** The answer to `confirm`. */
  current(request: number, position: Position, ttl_ms: number): PeerEffect[] {
    return this.#phase === 'open' ? [send({ name: 'current', request, position, ttl_ms })] : []
  }

  /** The answer to `barrier`. @param holders those who were not waited for to the end */
  barred(request: number, holders: readonly OverlayHolder[], now_ms: number): PeerEffect[] {
    return this.#phase === 'open' ? [sendBarred(request, holders, now_ms)] : []
  }

  denied(request: number, error: unknown): PeerEffect[] {
    return this.#phase === 'open' ? [sendDenial(request, asWeftError(error))] : []
  }

  /** Whether the socket has more to send than it should hold; reading of the log waits meanwhile. */
  congested(congested: boolean): PeerEffect[] {
    this.#congested = congested
    if (congested || this.#phase === 'closed') return []
    return [...this.#channels].flatMap(([channel, state]) => this.#pull(channel, state))
  }

  /** Ends one channel, the connection living on. */
  failChannel(channel: number, error: unknown): PeerEffect[] {
    if (!this.#drop(channel) || this.#phase === 'closed') return []
    this.#failed.add(channel)
    return [sendFail(channel, asWeftError(error))]
  }

  /** Ends the connection, saying why. */
  fail(error: unknown): PeerEffect[] {
    if (this.#phase === 'closed') return []
    const reported = asWeftError(error)
    const { code } = reported
    return [
      sendFail(null, reported),
      ...this.disconnected(),
      { do: 'close', code: closeCodeOf(code), reason: code },
    ]
  }

  /** The socket is gone. */
  disconnected(): PeerEffect[] {
    this.#phase = 'closed'
    this.#offering = undefined
    const released = [...this.#channels.keys()].map(channel => ({ do: 'release' as const, channel }))
    this.#channels.clear()
    return released
  }

  #dispatch(message: Message): PeerEffect[] {
    if (!isFromReplica(message.name)) throw unexpected(message.name, 'only a peer sends it')
    if ((message.name === 'hello') !== (this.#phase === 'greeting')) {
      throw unexpected(
        message.name,
        this.#phase === 'greeting' ? 'hello comes first' : `the session is ${this.#phase}`,
      )
    }
    if (message.name !== 'hello' && this.#phase !== 'open')
      throw unexpected(message.name, 'wait for the welcome')
    switch (message.name) {
      case 'hello':
        this.#version = negotiateVersion(message.versions)
        this.#client = message.client
        this.#phase = 'authenticating'
        return [{ do: 'authenticate', token: message.token }]
      case 'open':
        return this.#open(message)
      case 'push':
        return this.#failed.has(message.channel) ? [] : this.#offered(message.channel, message.changes)
      case 'propose':
        return this.#failed.has(message.channel) ? [] : this.#proposed(message)
      case 'seen':
        return this.#failed.has(message.channel) ? [] : this.#seen(message)
      case 'attest':
      case 'present':
        return [asked(message)]
      case 'renew':
        return this.#askedBy('write', message)
      case 'barrier':
        return this.#askedBy('admin', message)
      case 'confirm': {
        const { request, position, last } = message
        return [{ do: 'confirm', request, position, last: toHex(last) }]
      }
      case 'shut':
        this.#failed.delete(message.channel)
        return this.#drop(message.channel) ? [{ do: 'release', channel: message.channel }] : []
      default:
        throw unexpected(message.name, 'only a peer sends it')
    }
  }

  #open({ channel, workflow, after, last }: Fields<'open'>): PeerEffect[] {
    if (this.#channels.has(channel) || this.#failed.has(channel))
      throw unexpected('open', `channel ${channel} is open already`)
    if (this.#channels.size + this.#failed.size >= WIRE_LIMITS.channels_max)
      return [sendFail(channel, tooManyChannels())]
    const state = newChannel(workflow, after)
    this.#channels.set(channel, state)
    return [{ do: 'open', channel, workflow, after, last: toHex(last) }]
  }

  #proposed({ channel, change, branches, heads, unmoved }: Fields<'propose'>): PeerEffect[] {
    if (branches.length !== heads.length) throw unexpected('propose', 'branches and heads differ in number')
    const pinned = branches.map((branch, index) => ({ branch, ids: unpackIds(heads[index]!) }))
    return this.#offered(channel, [change], { heads: pinned, unmoved })
  }

  #offered(channel: number, frames: readonly Uint8Array[], preconditions?: Preconditions): PeerEffect[] {
    this.#channel(channel, preconditions ? 'propose' : 'push')
    this.#offering = new Offering(channel, frames, preconditions, this.hash)
    return []
  }

  /** Of a channel that has failed since, the rest is passed over. */
  #takeOffered(cost_max: number): PeerEffect[] {
    const offering = this.#offering
    if (offering === undefined) return []
    const { channel, preconditions } = offering
    const state = this.#channels.get(channel)
    const frames = state ? offering.take(cost_max) : []
    if (state === undefined || offering.cost === 0) this.#offering = undefined
    return state ? this.#taken(channel, state, frames, preconditions) : []
  }

  #taken(
    channel: number,
    state: Channel,
    frames: readonly Uint8Array[],
    preconditions: Preconditions | undefined,
  ): PeerEffect[] {
    const changes: Change[] = []
    const effects: PeerEffect[] = []
    for (const bytes of frames) {
      let id: ChangeId | '' = ''
      try {
        const change = decodeChange(bytes, this.hash)
        id = change.id
        const scope = writeScopeOf(state.workflow)
        if (!this.#has(scope)) throw noScope(scope)
        // A door lets in only what every replica can read (CHG-5). Whether what lacks its content was erased the log knows.
        change.values()
        this.#unansweredBytes += bytes.length - (state.own.get(id) ?? 0)
        state.own.set(id, bytes.length)
        changes.push(change)
      } catch (thrown) {
        effects.push(...this.refused(channel, id, thrown))
      }
    }
    if (this.#unansweredBytes > WIRE_LIMITS.push_bytes_max) throw tooMuchUnanswered(this.#unansweredBytes)
    if (changes.length > 0) {
      effects.push({ do: 'submit', channel, changes, ...(preconditions && { preconditions }) })
    }
    return effects
  }

  #has(scope: Scope): boolean {
    return this.#grant?.scopes.includes(scope) ?? false
  }

  #askedBy(scope: Scope, message: Question): PeerEffect[] {
    return this.#has(scope) ? [asked(message)] : this.denied(message.request, noScope(scope))
  }

  #seen({ channel, position }: Fields<'seen'>): PeerEffect[] {
    const state = this.#channel(channel, 'seen')
    if (position > state.cursor) throw unexpected('seen', `position ${position} was never sent`)
    noteSeen(state, position)
    const told: PeerEffect[] = isEngineWorkflow(state.workflow) ? [{ do: 'seen', position }] : []
    return [...told, ...this.#pull(channel, state)]
  }

  /** Asks for more of the log if there is more, and room on the way to the replica. */
  #pull(channel: number, state: Channel): PeerEffect[] {
    if (!this.#mayRead(state) || state.cursor >= state.count) return []
    const bytes_max = WIRE_LIMITS.log_bytes_max - state.unseenBytes
    state.reading = true
    return [{ do: 'read', channel, from: state.cursor + 1, bytes_max: Math.min(bytes_max, READ_BYTES_MAX) }]
  }

  #mayRead({ ready, reading, unseenBytes }: Channel): boolean {
    return ready && !reading && !this.#congested && unseenBytes < WIRE_LIMITS.log_bytes_max
  }

  /** The replica has its answer for this change; the log has yet to pass it. */
  #answered(state: Channel, id: ChangeId): void {
    const bytes = state.own.get(id)
    if (bytes === undefined) return
    this.#unansweredBytes -= bytes
    state.own.set(id, 0)
  }

  #committedOwn(state: Channel, { id, position }: LogRecord): void {
    if (position <= state.cursor) this.#passed(state, id)
    else this.#answered(state, id)
  }

  /** The log has passed this change: whether it came over this connection. */
  #passed(state: Channel, id: ChangeId): boolean {
    this.#answered(state, id)
    return state.own.delete(id)
  }

  #drop(channel: number): boolean {
    for (const bytes of this.#channels.get(channel)?.own.values() ?? []) this.#unansweredBytes -= bytes
    return this.#channels.delete(channel)
  }

  #channel(channel: number, message: MessageName): Channel {
    const state = this.#channels.get(channel)
    if (state === undefined) throw unexpected(message, `channel ${channel} is not open`)
    return state
  }
}
