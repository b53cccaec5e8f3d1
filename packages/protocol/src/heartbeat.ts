import type { Clock, Transport } from '@weft/core'

/** Within it whoever has stood still reads the answers that came meanwhile. */
const GRACE_MS = 1_000

export interface HeartbeatOptions {
  readonly clock: Clock
  /** Between questions. An answer may take so long, and a second more, or again so long where that is less. */
  readonly ping_ms: number
  /** Whether the socket is left unread now: then an answer may be there, and nobody has seen it. Default: it is not. */
  readonly isUnread?: () => boolean
  /** Called right before the connection is cut off. */
  readonly onSilent?: () => void
}

/** What it needs of a `Transport`. */
interface Pinged extends Pick<Transport, 'ping' | 'terminate'> {
  on(event: 'pong', listener: () => void): unknown
}

/**
 * Asks every so often whether anybody is at the other end, and cuts the connection off when nobody answers. A timer that
 * is late runs before what has come is read: so nobody is cut off at the moment at which an answer is missed.
 */
export class Heartbeat {
  #isAlive = true
  #cancel: () => void = () => {}

  constructor(
    private readonly socket: Pinged,
    private readonly options: HeartbeatOptions,
  ) {
    socket.on('pong', () => this.heard())
    this.#after(options.ping_ms, () => this.#beat())
  }

  /** The other end has said something else than an answer: that will do. */
  heard(): void {
    this.#isAlive = true
  }

  stop(): void {
    this.#cancel()
  }

  #beat(): void {
    if (this.#isAlive) this.#ask()
    else this.#after(Math.min(GRACE_MS, this.options.ping_ms), () => this.#judge())
  }

  #ask(): void {
    this.#isAlive = false
    this.socket.ping()
    this.#after(this.options.ping_ms, () => this.#beat())
  }

  #judge(): void {
    if (this.#isAlive || this.options.isUnread?.()) {
      this.#ask()
      return
    }
    this.options.onSilent?.()
    this.socket.terminate()
  }

  #after(ms: number, act: () => void): void {
    this.#cancel = this.options.clock.after(ms, act)
  }
}
