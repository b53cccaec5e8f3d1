import { hash, randomFillSync } from 'node:crypto'
import { type Clock, type Host, hashFromLatin1 } from '@weft/core'

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

export const nodeHost: Host = {
  hash: hashFromLatin1(bytes => hash('sha256', bytes, 'binary')),
  random,
  now: () => Date.now(),
}

export const nodeClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
}

/** As `nodeClock`, for what nobody waits for: a process may end before it comes. */
export const idleClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}
