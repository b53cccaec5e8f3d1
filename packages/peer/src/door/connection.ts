import { isEngineWorkflow, type Transport, TRANSPORT_OPEN, WeftError } from '@weft/core'
import { Heartbeat, type PeerEffect, PeerSession } from '@weft/protocol'
import type { Subscriber } from '../base/subscriber.js'
import { checkClaims, checkReader, checkWriter } from '../tokens/rights.js'
import type { TokenGrant } from '../tokens/token.js'
import type { Flow } from '../turns/fair-queue.js'
import { Inbox } from '../turns/inbox.js'
import { Pace } from '../turns/pace.js'
import { SLICE_COST } from '../turns/turns.js'
import type { ContextLog } from '../log/context-log.js'
import { type Asked, answerTo } from './answers.js'
import type { ConnectionHost } from './connection-host.js'
import { ErasureDoor } from './erasure-door.js'
import { OverlayDoor } from './overlay-door.js'

interface OpenChannel {
  readonly workflow: string
  readonly context: Promise<ContextLog>
  readonly subscriber: Subscriber
  /** Once it is open, so that later effects need not wait a turn. */
  log: ContextLog | undefined
}

type Read = PeerEffect & { do: 'read' }

/**
 * One socket: carries frames between it and a `PeerSession`, and out what the session decides. What comes, and what is
 * read for it, is done piece by piece, when it is this connection's turn.
 */
export class Connection implements Flow {
  readonly #session: PeerSession
  readonly #erasures: ErasureDoor
  readonly #channels = new Map<number, OpenChannel>()
  readonly #inbox: Inbox
  readonly #reads: Read[] = []
  #cancelDeadline: () => void
  readonly #heartbeat: Heartbeat
  readonly #pace: Pace
  #letGo: () => void = () => {}
  #grant: TokenGrant | undefined
  #overlays: OverlayDoor | undefined
  #congested = false
  #paused = false
  /** Of the frame that is being looked at. */
  #came_ms = 0

  constructor(
    private readonly socket: Transport,
    private readonly host: ConnectionHost,
  ) {
    this.#session = new PeerSession(host.hash)
    this.#erasures = new ErasureDoor(() => this.#grant!.scopes.includes('admin'), host.hash)
    const { limits, clock } = host
    const resume = (): void => void (this.#paused || socket.resume())
    this.#inbox = new Inbox({ pause: () => socket.pause(), resume }, limits.inbox_bytes_max)
    this.#cancelDeadline = clock.after(limits.auth_deadline_ms, () => this.#authDeadline())
    this.#heartbeat = new Heartbeat(socket, {
      clock,
      ping_ms: limits.ping_ms,
      isUnread: () => this.#inbox.isFull,
    })
    this.#pace = new Pace(clock, host.rates, limits.rate_wait_ms_max)
    socket.on('message', (frame, isBinary) => this.#receive(frame, isBinary))
    socket.on('close', () => this.#closed())
  }

  /** Ends the connection, telling the replica why. */
  fail(error: unknown): void {
    this.#perform(this.#session.fail(error))
  }

  /** Leaves what comes from now on unread, while what came before is being answered. */
  pause(): void {
    // Of one that is being closed only the other side's half of the closing handshake is yet to come.
    if (this.socket.readyState !== TRANSPORT_OPEN) return
    this.#paused = true
    this.socket.pause()
  }

  terminate(): void {
    this.socket.terminate()
  }

  /** A piece of what is to be read for it, of the changes that it has begun to offer, or of the next frame. */
  step(): number | undefined {
    const read = this.#reads.shift()
    if (read) {
      void this.#read(read)
      return read.bytes_max
    }
    const { unfinished } = this.#session
    if (unfinished) return this.#proceed(unfinished) ?? this.#decline(unfinished)
    const arrived = this.#inbox.take()
    if (arrived === undefined) return undefined
    this.#came_ms = arrived.at_ms
    this.#perform(this.#session.receive(arrived.frame, 0))
    return FRAME_COST + arrived.frame.length / FRAME_SHARE
  }

  /** Takes some of the changes that were offered, or waits until its tenant may write more. */
  #proceed({ channel, cost }: { channel: number; cost: number }): number | undefined {
    const { tenant } = this.#grant!
    try {
      const room = this.#isFree(channel) ? SLICE_COST : this.#room(tenant)
      if (room === 0) return undefined
      const effects = this.#session.proceed(room)
      this.#pace.took(tenant, countOf(effects))
      this.#perform(effects)
    } catch (error) {
      this.fail(error)
    }
    return cost - (this.#session.unfinished?.cost ?? 0)
  }

  /** Refuses what is offered on condition, and not for the second time, when it has waited long enough for the rate. */
  #decline(offering: NonNullable<PeerSession['unfinished']>): number | undefined {
    const log = this.#channels.get(offering.channel)?.log
    if (!offering.preconditions || !log) return undefined
    const { ids, cost } = offering
    if (ids.some(id => log.mayHold(id))) return undefined
    const refusal = this.#pace.refusal(this.#grant!.tenant, this.#came_ms, this.#wantTurn)
    if (refusal === undefined) return undefined
    this.#perform(this.#session.decline(ids, refusal))
    return cost
  }

  /** What of its tenant may be admitted now; if nothing, its turn comes when more may. */
  #room(tenant: string): number {
    const { contexts, metrics } = this.host
    const room = contexts.room(tenant, this.#wantTurn)
    if (room === 0 || !this.#pace.mayTake(tenant, this.#wantTurn, metrics.rateWaits)) return 0
    return Math.min(room, SLICE_COST)
  }

  /** What binds the whole tenant is written whatever its rate. */
  #isFree(channel: number): boolean {
    const open = this.#channels.get(channel)
    return open !== undefined && isEngineWorkflow(open.workflow)
  }

  #receive(frame: Uint8Array, isBinary: boolean): void {
    this.host.metrics.framesIn()
    if (!isBinary) {
      this.fail(
        new WeftError(
          'WEFT_FRAME_MALFORMED',
          'the frame is text',
          'send binary frames: CBOR, as PROTOCOL.md lays it out',
        ),
      )
      return
    }
    this.#inbox.put(frame, this.host.clock.steady())
    this.#wantTurn()
  }

  /** Whoever has not said yet whose they are share one turn. */
  readonly #wantTurn = (): void => {
    this.host.turns.add(this.#grant?.tenant ?? '', this)
  }

  #perform(effects: readonly PeerEffect[]): void {
    for (const effect of effects) this.#performOne(effect)
  }

  #performOne(effect: PeerEffect): void {
    switch (effect.do) {
      case 'send':
        this.#send(effect.frame)
        return
      case 'authenticate':
        void this.#authenticate(effect.token)
        return
      case 'open':
        void this.#open(effect)
        return
      case 'submit':
        void this.#submit(effect)
        return
      case 'read':
        this.#reads.push(effect)
        this.#wantTurn()
        return
      case 'seen':
        this.#overlays?.seen(effect)
        return
      case 'attest':
      case 'present':
      case 'renew':
      case 'confirm':
      case 'barrier':
        void this.#answer(effect)
        return
      case 'release':
        this.#release(effect.channel)
        return
      case 'refused':
        this.host.metrics.refused(1, { code: effect.code })
        return
      case 'close':
        this.host.metrics.failed(1, { code: effect.reason })
        this.host.log.info({ tenant: this.#grant?.tenant, code: effect.reason }, 'connection ended')
        this.socket.close(effect.code, effect.reason)
        // The other side's half of the closing handshake is yet to be read.
        this.socket.resume()
    }
  }

  #send(frame: Uint8Array): void {
    const { socket, host } = this
    if (socket.readyState !== TRANSPORT_OPEN) return
    host.metrics.framesOut()
    socket.send(frame, () => this.#drained())
    if (socket.bufferedAmount > host.limits.buffered_bytes_max) {
      host.log.warn({ tenant: this.#grant?.tenant, bytes: socket.bufferedAmount }, 'reader too slow, cut off')
      host.metrics.failed(1, { code: 'WEFT_LIMIT' })
      socket.terminate()
    } else if (!this.#congested && socket.bufferedAmount > host.limits.congested_bytes) {
      this.#congested = true
      this.#perform(this.#session.congested(true))
    }
  }

  #drained(): void {
    if (!this.#congested || this.socket.bufferedAmount > this.host.limits.congested_bytes / 2) return
    this.#congested = false
    this.#perform(this.#session.congested(false))
  }

  async #authenticate(token: string): Promise<void> {
    try {
      const grant = await this.host.verify(token)
      if (this.#session.phase !== 'authenticating') return
      this.#grant = grant
      const { client } = this.#session
      const name = grant.subject === undefined ? client : `${client} (${grant.subject})`
      this.#overlays = new OverlayDoor(this.host, grant.tenant, { connection: connections++, name })
      this.#cancelDeadline()
      this.#letGo = this.host.grants.hold(grant, error => this.fail(error))
      this.#perform(this.#session.authenticated(grant))
      this.host.log.info({ tenant: grant.tenant, subject: grant.subject, scopes: grant.scopes }, 'connected')
    } catch (error) {
      this.fail(error)
    }
  }

  async #open({ channel, workflow, after, last }: PeerEffect & { do: 'open' }): Promise<void> {
    const grant = this.#grant!
    try {
      checkReader(grant, workflow)
    } catch (error) {
      this.#perform(this.#session.failChannel(channel, error))
      return
    }
    const context = this.host.contexts.acquire(grant.tenant, workflow)
    const open: OpenChannel = { workflow, context, subscriber: this.#subscriber(channel), log: undefined }
    this.#channels.set(channel, open)
    try {
      const log = await context
      // The replica may have left while the log was read.
      if (this.#channels.get(channel) !== open) return
      open.log = log
      log.subscribe(open.subscriber)
      this.#perform(this.#session.opened(channel, log.count, log.heads, log.holds(after, last)))
    } catch (error) {
      this.host.log.error({ tenant: grant.tenant, workflow, err: error }, 'context cannot be opened')
      this.#release(channel)
      this.#perform(this.#session.failChannel(channel, error))
    }
  }

  #subscriber(channel: number): Subscriber {
    const { metrics } = this.host
    return {
      committed: (count, own) => this.#perform(this.#session.committed(channel, count, own)),
      duplicate: record => {
        metrics.duplicate()
        this.#perform(this.#session.duplicate(channel, record))
      },
      refused: (id, error) => this.#perform(this.#session.refused(channel, id, error)),
      failed: error => {
        this.#release(channel)
        this.#perform(this.#session.failChannel(channel, error))
      },
    }
  }

  async #submit({ channel, changes, preconditions }: PeerEffect & { do: 'submit' }): Promise<void> {
    const open = this.#channels.get(channel)
    const log = open?.log ?? (await open?.context.catch(() => undefined))
    if (!open || !log) return
    try {
      checkWriter(this.#grant!, open.workflow)
      if (preconditions) for (const { header } of changes) checkClaims(header)
    } catch (error) {
      for (const { id } of changes) open.subscriber.refused(id, error)
      return
    }
    this.#erasures.submit(log, changes, open.subscriber, preconditions)
  }

  async #read({ channel, from, bytes_max }: Read): Promise<void> {
    const log = this.#channels.get(channel)?.log
    if (log === undefined) return
    const inMemory = log.inMemory(from, bytes_max)
    if (inMemory) return this.#perform(this.#session.records(channel, inMemory))
    try {
      this.#perform(this.#session.records(channel, await log.read(from, bytes_max)))
    } catch (error) {
      this.host.log.error({ tenant: this.#grant?.tenant, err: error }, 'log cannot be read')
      this.#release(channel)
      this.#perform(this.#session.failChannel(channel, error))
    }
  }

  async #answer(question: Asked): Promise<void> {
    const { host } = this
    const { tenant } = this.#grant!
    const logOf = (workflow: string): Promise<ContextLog> => this.#logOf(workflow)
    const door = { ...host, tenant, overlays: this.#overlays!, logOf }
    this.#perform(await answerTo(question, this.#session, door))
  }

  /** The log of a workflow that this connection follows. */
  async #logOf(workflow: string): Promise<ContextLog> {
    const open = [...this.#channels.values()].find(channel => channel.workflow === workflow)
    if (open) return open.context
    throw new WeftError(
      'WEFT_FRAME_UNEXPECTED',
      `${workflow} is not open on this connection`,
      'open it first',
    )
  }

  #release(channel: number): void {
    const open = this.#channels.get(channel)
    if (open === undefined) return
    this.#channels.delete(channel)
    // A connection that breaks says nothing of what its replica does.
    if (this.#session.phase === 'open') this.#overlays?.left(open.workflow)
    open.log?.unsubscribe(open.subscriber)
    this.host.contexts.release(this.#grant!.tenant, open.workflow)
  }

  #authDeadline(): void {
    const { phase } = this.#session
    if (phase !== 'greeting' && phase !== 'authenticating') return
    const message = `no valid hello came within ${this.host.limits.auth_deadline_ms} ms`
    this.fail(new WeftError('WEFT_AUTH_DEADLINE', message, 'send hello with a token right after connecting'))
  }

  #closed(): void {
    this.#cancelDeadline()
    this.#heartbeat.stop()
    this.#letGo()
    this.#inbox.clear()
    this.#perform(this.#session.disconnected())
  }
}

/** To take a frame apart is a small part of what its changes take. */
const FRAME_COST = 512
const FRAME_SHARE = 8

/** How many changes were offered in what came of them. */
function countOf(effects: readonly PeerEffect[]): number {
  return effects.reduce(
    (count, effect) =>
      count + (effect.do === 'submit' ? effect.changes.length : Number(effect.do === 'refused')),
    0,
  )
}

let connections = 0
