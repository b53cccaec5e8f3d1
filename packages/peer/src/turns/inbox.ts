import type { Transport } from '@weft/core'

/** A frame, and when it came. */
interface Arrived {
  readonly frame: Uint8Array
  readonly at_ms: number
}

/**
 * The frames of one connection that nobody has looked at yet. While they are more than `bytes_max` the socket is left
 * unread, so that a sender that is too fast waits at its own end.
 */
export class Inbox {
  #frames: Arrived[] = []
  #next = 0
  #bytes = 0
  #isFull = false

  constructor(
    private readonly socket: Pick<Transport, 'pause' | 'resume'>,
    private readonly bytes_max: number,
  ) {}

  /** Whether the socket is left unread: then it says nothing, alive or not. */
  get isFull(): boolean {
    return this.#isFull
  }

  put(frame: Uint8Array, at_ms: number): void {
    this.#frames.push({ frame, at_ms })
    this.#bytes += frame.length
    if (this.#isFull || this.#bytes <= this.bytes_max) return
    this.#isFull = true
    this.socket.pause()
  }

  take(): Arrived | undefined {
    const arrived = this.#frames[this.#next]
    if (arrived === undefined) return undefined
    this.#next++
    this.#bytes -= arrived.frame.length
    // What is taken is let go of, also while there is always more.
    if (this.#next * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#next)
      this.#next = 0
    }
    if (this.#isFull && this.#bytes <= this.bytes_max / 2) this.#readOn()
    return arrived
  }

  clear(): void {
    this.#frames = []
    this.#next = 0
    this.#bytes = 0
    if (this.#isFull) this.#readOn()
  }

  #readOn(): void {
    this.#isFull = false
    this.socket.resume()
  }
}
