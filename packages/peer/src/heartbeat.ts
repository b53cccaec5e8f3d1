import type { Clock, Transport } from '@weft/core'

/** Asks every so often whether anybody is at the other end, and cuts the connection off when nobody answers. */
export class Heartbeat {
  #isAlive = true
  #cancel: () => void = () => {}

  /** @param isUnread whether the socket is left unread now: then an answer may be there, and nobody has seen it */
  constructor(
    private readonly socket: Transport,
    private readonly clock: Clock,
    private readonly ping_ms: number,
    private readonly isUnread: () => boolean,
  ) {
    socket.on('pong', () => {
      this.#isAlive = true
    })
    this.#schedule()
  }

  stop(): void {
    this.#cancel()
  }

  #schedule(): void {
    this.#cancel = this.clock.after(this.ping_ms, () => this.#beat())
  }

  #beat(): void {
    if (!this.#isAlive && !this.isUnread()) {
      this.socket.terminate()
      return
    }
    this.#isAlive = false
    this.socket.ping()
    this.#schedule()
  }
}
