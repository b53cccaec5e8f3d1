import type { Clock, Transport } from '@weft/core'

/** Within it whoever has stood still reads the answers that came meanwhile. */
const GRACE_MS = 1_000

/**
 * Asks every so often whether anybody is at the other end, and cuts the connection off when nobody answers. A timer that
 * is late runs before what has come is read: so nobody is cut off at the moment at which an answer is missed.
 */
export class Heartbeat {
  #isAlive = true
  #cancel: () => void = () => {}

  /**
   * @param ping_ms between questions; an answer may take so long, and a second more, or again so long where that is less
   * @param isUnread whether the socket is left unread now: then an answer may be there, and nobody has seen it
   */
  constructor(
    private readonly socket: Pick<Transport, 'ping' | 'terminate'> & {
      on(event: 'pong', listener: () => void): unknown
    },
    private readonly clock: Clock,
    private readonly ping_ms: number,
    private readonly isUnread: () => boolean = () => false,
  ) {
    socket.on('pong', () => {
      this.#isAlive = true
    })
    this.#after(ping_ms, () => this.#beat())
  }

  stop(): void {
    this.#cancel()
  }

  #beat(): void {
    if (this.#isAlive) this.#ask()
    else this.#after(Math.min(GRACE_MS, this.ping_ms), () => this.#judge())
  }

  #ask(): void {
    this.#isAlive = false
    this.socket.ping()
    this.#after(this.ping_ms, () => this.#beat())
  }

  #judge(): void {
    if (this.#isAlive || this.isUnread()) this.#ask()
    else this.socket.terminate()
  }

  #after(ms: number, act: () => void): void {
    this.#cancel = this.clock.after(ms, act)
  }
}
