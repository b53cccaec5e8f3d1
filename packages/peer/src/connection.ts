import {
  type Clock,
  type Hash,
  OVERLAY_WORKFLOW,
  type Position,
  type Transport,
  TRANSPORT_OPEN,
  WeftError,
} from '@weft/core'
import { CHANGE_COST, type PeerEffect, PeerSession } from '@weft/protocol'
import type { Logger } from 'pino'
import type { ContextLog, Subscriber } from './context-log.js'
import type { Contexts } from './contexts.js'
import type { Flow } from './fair-queue.js'
import { Inbox } from './inbox.js'
import type { PeerLimits } from './limits.js'
import type { LiveGrants } from './live-grants.js'
import { OverlayDoor } from './overlay-door.js'
import type { PeerMetrics } from './peer-metrics.js'
import { checkReader, checkWriter } from './rights.js'
import { checkMark, invalid, type SessionSigner } from './session-tokens.js'
import type { TokenGrant, TokenVerifier } from './token.js'
import { SLICE_COST, type Turns } from './turns.js'

export interface ConnectionHost {
  readonly contexts: Contexts
  readonly verify: TokenVerifier
  readonly grants: LiveGrants
  readonly sessions: SessionSigner
  readonly limits: PeerLimits
  readonly metrics: PeerMetrics
  readonly clock: Clock
  readonly hash: Hash
  readonly log: Logger
  readonly turns: Turns
}

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
  readonly #channels = new Map<number, OpenChannel>()
  readonly #inbox: Inbox
  readonly #reads: Read[] = []
  #cancelDeadline: () => void
  #cancelPing: () => void = () => {}
  #letGo: () => void = () => {}
  #grant: TokenGrant | undefined
  #overlays: OverlayDoor | undefined
  #congested = false
  #alive = true
  #paused = false

  constructor(
    private readonly socket: Transport,
    private readonly host: ConnectionHost,
  ) {
    this.#session = new PeerSession(host.hash)
    const { limits, clock } = host
    const resume = (): void => void (this.#paused || socket.resume())
    this.#inbox = new Inbox({ pause: () => socket.pause(), resume }, limits.inbox_bytes_max)
    this.#cancelDeadline = clock.after(limits.auth_deadline_ms, () => this.#authDeadline())
    this.#schedulePing()
    socket.on('message', (frame, isBinary) => this.#receive(frame, isBinary))
    socket.on('pong', () => {
      this.#alive = true
    })
    socket.on('close', () => this.#closed())
  }

  /** Ends the connection, telling the replica why. */
  fail(error: unknown): void {
    this.#perform(this.#session.fail(error))
  }

  /** Leaves what comes from now on unread, while what came before is being answered. */
  pause(): void {
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
    const left = this.#session.unfinished
    const frame = left > 0 ? undefined : this.#inbox.take()
    if (left === 0 && frame === undefined) return undefined
    this.#perform(frame ? this.#session.receive(frame, SLICE_COST) : this.#session.proceed(SLICE_COST))
    return frame ? CHANGE_COST + frame.length : left - this.#session.unfinished
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
    this.#inbox.put(frame)
    this.#wantTurn()
  }

  /** Whoever has not said yet whose they are share one turn. */
  #wantTurn(): void {
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
      case 'attest':
        void this.#attested(effect.request, this.#attest(effect))
        return
      case 'present':
        void this.#attested(effect.request, this.#present(effect))
        return
      case 'renew':
        void this.#renew(effect)
        return
      case 'seen':
        this.#overlays?.seen(effect)
        return
      case 'confirm':
        void this.#confirm(effect)
        return
      case 'barrier':
        void this.#barrier(effect)
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
    } catch (error) {
      for (const { id } of changes) open.subscriber.refused(id, error)
      return
    }
    log.submit(changes, open.subscriber, preconditions)
  }

  async #read({ channel, from, bytes_max }: Read): Promise<void> {
    const log = this.#channels.get(channel)?.log
    if (log === undefined) return
    const inMemory = log.readTail(from, bytes_max)
    if (inMemory) return this.#perform(this.#session.records(channel, inMemory))
    try {
      this.#perform(this.#session.records(channel, await log.read(from, bytes_max)))
    } catch (error) {
      this.host.log.error({ tenant: this.#grant?.tenant, err: error }, 'log cannot be read')
      this.#release(channel)
      this.#perform(this.#session.failChannel(channel, error))
    }
  }

  async #attested(request: number, answer: Promise<{ position: Position; token: string }>): Promise<void> {
    try {
      const { position, token } = await answer
      this.#perform(this.#session.attested(request, position, token))
    } catch (error) {
      this.#perform(this.#session.denied(request, error))
    }
  }

  async #renew({ request, workflow, on, epoch }: PeerEffect & { do: 'renew' }): Promise<void> {
    try {
      const log = await this.#logOf(workflow)
      this.#perform(this.#session.renewed(request, log.renew(on, epoch)))
    } catch (error) {
      this.#perform(this.#session.denied(request, error))
    }
  }

  async #confirm(effect: PeerEffect & { do: 'confirm' }): Promise<void> {
    const { request } = effect
    try {
      const { position, ttl_ms } = await this.#overlays!.confirm(await this.#logOf(OVERLAY_WORKFLOW), effect)
      this.#perform(this.#session.current(request, position, ttl_ms))
    } catch (error) {
      this.#perform(this.#session.denied(request, error))
    }
  }

  async #barrier(effect: PeerEffect & { do: 'barrier' }): Promise<void> {
    const { request } = effect
    try {
      const holders = await this.#overlays!.barrier(await this.#logOf(OVERLAY_WORKFLOW), effect)
      this.#perform(this.#session.barred(request, holders, this.host.clock.now()))
    } catch (error) {
      this.#perform(this.#session.denied(request, error))
    }
  }

  async #attest({ workflow, position }: PeerEffect & { do: 'attest' }) {
    const log = await this.#logOf(workflow)
    if (position > log.count) throw invalid(`the log ends at ${log.count}`)
    const mark = { tenant: this.#grant!.tenant, workflow, position, last: log.idAt(position) }
    return { position, token: await this.host.sessions.sign(mark, this.host.clock.now()) }
  }

  /** A log that ends before the mark may yet grow to it; one that has another change there never will. */
  async #present({ workflow, token }: PeerEffect & { do: 'present' }) {
    const mark = await this.host.sessions.verify(token)
    checkMark(mark, this.#grant!.tenant, workflow)
    const log = await this.#logOf(workflow)
    if (mark.position <= log.count && !log.holds(mark.position, mark.last))
      throw invalid('the log has another history')
    return { position: mark.position, token: '' }
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

  #schedulePing(): void {
    const { clock, limits } = this.host
    this.#cancelPing = clock.after(limits.ping_ms, () => {
      if (!this.#alive && !this.#inbox.isFull) return this.terminate()
      this.#alive = false
      this.socket.ping()
      this.#schedulePing()
    })
  }

  #closed(): void {
    this.#cancelDeadline()
    this.#cancelPing()
    this.#letGo()
    this.#inbox.clear()
    this.#perform(this.#session.disconnected())
  }
}

let connections = 0
