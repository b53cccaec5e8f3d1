/**
 * Writes the SHA-256 of `bytes` into `target` from `at` on: 32 bytes. Returns undefined, and not void, so that a function
 * that hands its digest back instead does not pass for one.
 */
export type Hash = (bytes: Uint8Array, target: Uint8Array, at: number) => undefined

/** Fills `length` bytes of `target` from `at` on with cryptographically strong random bytes. */
export type Random = (target: Uint8Array, at: number, length: number) => void

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC, as the machine has it: somebody may set that back. */
  now(): number
  /** Whole milliseconds since some moment, never set back: what a span of time is counted by. */
  steady(): number
  /** Calls `fn` once after `ms`; the returned function cancels it. */
  after(ms: number, fn: () => void): () => void
}

/** What the core needs of its host. */
export interface Host {
  readonly hash: Hash
  readonly random: Random
  readonly now: () => number
}

/** An ordered, reliable stream of frames that arrive whole: as much of a WebSocket of `ws` as Weft uses. */
export interface Transport {
  /** `TRANSPORT_OPEN` while frames can be sent. */
  readonly readyState: number
  /** Bytes that were given to `send` and not yet to the network. */
  readonly bufferedAmount: number
  /** @param sent called when the frame has left, or never will */
  send(frame: Uint8Array, sent?: () => void): void
  /** Says goodbye, behind all that was sent. */
  close(code: number, reason?: string): void
  /** Ends it here and now. */
  terminate(): void
  /** Leaves what comes from now on unread, until `resume`. */
  pause(): void
  resume(): void
  /** Asks whether anybody is there: `pong` is the answer, which the other side, told by `ping`, gives by itself. */
  ping(): void
  on(event: 'open' | 'ping' | 'pong', listener: () => void): unknown
  on(event: 'message', listener: (frame: Uint8Array, isBinary: boolean) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  /** The last event. `reason` is UTF-8, in whatever prints itself. */
  on(event: 'close', listener: (code: number, reason: { toString(): string }) => void): unknown
}

export const TRANSPORT_OPEN = 1
