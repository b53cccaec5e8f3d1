import { type Clock, type ErrorCode, reasonOf, type Transport, TRANSPORT_OPEN, WeftError } from '@weft/core'
import { adviceOf, CLOSE_CODES, Heartbeat, type ReplicaEffect, type ReplicaSession } from '@weft/protocol'
import { TIMER_MS_MAX } from '../base/arguments.js'
import { backoff } from '../base/backoff.js'
import { checkToken, noToken, type TokenSource } from '../base/credential.js'
import type { ReplicaListener } from '../base/events.js'
import type { ReplicaHost } from '../base/node-host.js'

export interface LinkOptions {
  readonly url: string
  readonly token: TokenSource
  readonly host: ReplicaHost
  /** Between questions whether the peer is still there, ms. */
  readonly ping_ms: number
  readonly onEvent: ReplicaListener
  /** Effects of the session that are not the link's own. */
  readonly perform: (effect: ReplicaEffect) => void
  /** No connection will come of this any more. */
  readonly onFailed: (error: WeftError) => void
}

/**
 * Keeps a replica connected: one socket at a time, made anew after it breaks, with backoff and jitter, until the peer
 * says that it will never do or the link is closed.
 */
export class Link {
  #socket: Transport | undefined
  #unwatch: () => void = () => {}
  /** Why this socket ends, where it is known here: no peer says so. */
  #cause: WeftError | undefined
  #cancelRetry: (() => void) | undefined
  #attempt = 0
  /** Times in a row that a connection was made and at once given up again from here. */
  #resets = 0
  #welcomedAt = 0
  #closed = false
  #lastError: WeftError | undefined
  #pumpQueued = false

  constructor(
    private readonly session: ReplicaSession,
    private readonly options: LinkOptions,
  ) {}

  get clock(): Clock {
    return this.options.host.clock
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What the peer said last when it ended a connection, or why none could be had. */
  get lastError(): WeftError | undefined {
    return this.#lastError
  }

  /** Where the peer is, and a token for it, as often as one is needed. */
  get peer(): { readonly url: string; readonly token: () => string | Promise<string> } {
    const { url, token } = this.options
    return { url, token: typeof token === 'string' ? () => token : token }
  }

  async connect(): Promise<void> {
    this.#cancelRetry = undefined
    const { token: source } = this.options
    const token = typeof source === 'string' ? source : await this.#given(source)
    if (this.#closed || token === undefined) return
    const socket = this.options.host.dial(this.options.url)
    this.#socket = socket
    this.#cause = undefined
    this.#watch(socket)
    socket.on('open', () => this.#perform(this.session.connected(token)))
    socket.on('message', frame => this.#receive(socket, frame))
    // A failed socket also closes; why it failed is known only here.
    socket.on('error', error => {
      this.#broken(unreachable(this.options.url, error.message))
    })
    socket.on('close', (code, reason) => {
      if (this.#socket === socket) this.#lost(code, reason.toString())
    })
  }

  /** A token to show to the peer; when there is none, it is asked for again later. */
  async #given(source: () => string | Promise<string>): Promise<string | undefined> {
    let given: unknown
    try {
      given = await source()
    } catch (error) {
      this.#lastError = noToken(error)
      this.#lost(0, this.#lastError.message)
      return undefined
    }
    try {
      return checkToken(given)
    } catch (error) {
      this.#lastError = error as WeftError
      this.#lost(CLOSE_CODES.unauthorized, this.#lastError.code)
      return undefined
    }
  }

  /**
   * A peer whose host is gone says nothing of that: whoever only listens would show for ever what it showed then. Any sign
   * of the peer will do, its own pings too: one that is busy does not read ours.
   */
  #watch(socket: Transport): void {
    const { clock } = this
    const { ping_ms, url } = this.options
    const silent_ms = Math.min(2 * ping_ms, TIMER_MS_MAX)
    const onSilent = (): void => {
      this.#broken(unreachable(url, `nothing has come from there for ${silent_ms} ms`))
    }
    this.#unwatch = clock.after(silent_ms, () => {
      onSilent()
      socket.terminate()
    })
    socket.on('open', () => {
      this.#unwatch()
      const heartbeat = new Heartbeat(socket, { clock, ping_ms, onSilent })
      socket.on('ping', () => heartbeat.heard())
      socket.on('message', () => heartbeat.heard())
      this.#unwatch = () => heartbeat.stop()
    })
  }

  /** Sends what is queued, once this turn is over: everything written in it shares frames. */
  schedulePump(): void {
    if (this.#pumpQueued) return
    this.#pumpQueued = true
    queueMicrotask(() => {
      this.#pumpQueued = false
      this.#perform(this.session.pump())
    })
  }

  perform(effects: readonly ReplicaEffect[]): void {
    this.#perform(effects)
  }

  /** Drops the connection and makes a new one; less and less soon, if that is all that ever happens. */
  reset(): void {
    const lasted = this.clock.steady() - this.#welcomedAt >= LASTING_MS
    this.#resets = lasted ? 0 : this.#resets + 1
    this.#socket?.terminate()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
    this.#unwatch()
    const socket = this.#socket
    if (socket) {
      const cancel = this.clock.after(CLOSE_MS, () => socket.terminate())
      socket.on('close', cancel)
      socket.close(NORMAL)
    }
    this.session.disconnected()
  }

  #receive(socket: Transport, frame: Uint8Array): void {
    if (this.#socket !== socket || this.#closed) return
    let effects: readonly ReplicaEffect[]
    try {
      effects = this.session.receive(frame)
    } catch (error) {
      this.#broken(error instanceof WeftError ? error : unreachable(this.options.url, reasonOf(error)))
      socket.terminate()
      return
    }
    this.#perform(effects)
  }

  #perform(effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'send') {
        if (this.#socket?.readyState === TRANSPORT_OPEN) this.#socket.send(effect.frame)
        continue
      }
      if (effect.do === 'welcomed') {
        this.options.onEvent({ type: 'connected', tenant: effect.tenant, attempt: this.#attempt })
        this.#attempt = 0
        this.#welcomedAt = this.clock.steady()
        this.#lastError = undefined
      }
      if (effect.do === 'failed') this.#lastError = effect.error
      this.options.perform(effect)
    }
  }

  /** The first is why: what a socket says when it is ended from here comes after. */
  #broken(cause: WeftError): void {
    this.#cause ??= cause
    this.#lastError = this.#cause
  }

  #lost(code: number, reason: string): void {
    this.#socket = undefined
    this.#unwatch()
    this.session.disconnected()
    if (this.#closed) return
    const advice = adviceOf(code)
    const renewable = advice === 'new-token' && typeof this.options.token === 'function'
    if (advice !== 'retry' && !(renewable && this.#attempt < TOKEN_ATTEMPTS_MAX)) {
      this.#fail(reason)
      return
    }
    const retry_ms = backoff(this.#attempt++ + this.#resets, this.options.host.dice())
    this.options.onEvent({
      type: 'disconnected',
      code,
      reason: reason || this.#cause?.message || '',
      retry_ms: Math.round(retry_ms),
    })
    this.#cancelRetry = this.clock.after(retry_ms, () => void this.connect())
  }

  #fail(reason: string): void {
    this.#closed = true
    const error = ofTheConnection(
      this.#lastError ??
        new WeftError(reason as ErrorCode, `the peer ended the connection: ${reason}`, 'see the code'),
    )
    this.options.onEvent({ type: 'failed', error })
    this.options.onFailed(error)
  }
}

const NORMAL = 1000
const CLOSE_MS = 1_000
const LASTING_MS = 10_000
const TOKEN_ATTEMPTS_MAX = 5

/** What a peer says of one frame is no answer to anybody who waits for another one. */
function ofTheConnection(error: WeftError): WeftError {
  if (!error.code.startsWith('WEFT_FRAME')) return error
  return new WeftError(
    error.code,
    `the peer has ended the connection, because of a frame that it could not take: ${error.message}`,
    'connect anew, and pass on what `unacknowledged` holds; no call should make such a frame: report it',
    error.details,
    { cause: error },
  )
}

function unreachable(url: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    `no connection to ${url}: ${reason}`,
    'check that the peer is up and the address is right; the replica goes on trying, and keeps what is written',
    { url },
  )
}
