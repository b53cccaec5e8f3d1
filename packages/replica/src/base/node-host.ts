import { hash, randomFillSync } from 'node:crypto'
import { type Clock, type Host, hashFromLatin1, type Transport } from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { WebSocket } from 'ws'

/** What a replica takes from outside of its own memory. A simulation brings another one. */
export interface ReplicaHost extends Host {
  readonly clock: Clock
  /** As `clock`, for what nobody waits for: a process may end before it comes. */
  readonly idleClock: Clock
  /** From 0 to 1, for jitter. */
  readonly dice: () => number
  /** Begins to connect to a peer: `open` or `error` and `close` say what came of it. */
  readonly dial: (url: string) => Transport
}

const POOL_BYTES = 16_384
const pool = new Uint8Array(POOL_BYTES)
let next = POOL_BYTES

/** Salts are 16 bytes each; asking the system for each would cost more than the rest of a change. */
function random(target: Uint8Array, at: number, length: number): void {
  if (length > POOL_BYTES) {
    randomFillSync(target, at, length)
    return
  }
  if (next + length > POOL_BYTES) {
    randomFillSync(pool)
    next = 0
  }
  for (let i = 0; i < length; i++) target[at + i] = pool[next++]!
}

/** The two clocks of a machine that is awake differ by less than this between two readings. */
const AWAKE_MS = 20
let ahead_ms = Date.now() - performance.now()
let slept_ms = 0

/**
 * The monotonic clock, and what it stood still for while the machine slept: what a worker believes for a time it must not
 * believe longer, whether the machine sleeps or its wall clock is set back.
 */
function steady(): number {
  const monotonic_ms = performance.now()
  const moved_ms = Date.now() - monotonic_ms - ahead_ms
  ahead_ms += moved_ms
  if (moved_ms > AWAKE_MS) slept_ms += moved_ms
  return Math.floor(monotonic_ms + slept_ms)
}

const nodeClock: Clock = {
  now: () => Date.now(),
  steady,
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
}

const idleClock: Clock = {
  now: () => Date.now(),
  steady,
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}

export const nodeHost: ReplicaHost = {
  hash: hashFromLatin1(bytes => hash('sha256', bytes, 'binary')),
  random,
  now: () => Date.now(),
  clock: nodeClock,
  idleClock,
  dice: Math.random,
  dial: url =>
    new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: WIRE_LIMITS.frame_bytes_max,
    }) as Transport,
}
