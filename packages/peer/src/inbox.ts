import type { Transport } from '@weft/core'

/**
 * The frames of one connection that nobody has looked at yet. While they are more than `bytes_max` the socket is left
 * unread, so that a sender that is too fast waits at its own end.
 */
export class Inbox {
  #frames: Uint8Array[] = []
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

  put(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#bytes += frame.length
    if (this.#isFull || this.#bytes <= this.bytes_max) return
    this.#isFull = true
    this.socket.pause()
  }

  take(): Uint8Array | undefined {
    const frame = this.#frames[this.#next]
    if (frame === undefined) return undefined
    this.#next++
    this.#bytes -= frame.length
    // What is taken is let go of, also while there is always more.
    if (this.#next * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#next)
      this.#next = 0
    }
    if (this.#isFull && this.#bytes <= this.bytes_max / 2) this.#readOn()
    return frame
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
