import { hash, randomFillSync } from 'node:crypto'
import { type Host, hashFromLatin1 } from '@weft/core'

const POOL_BYTES = 16_384
const pool = new Uint8Array(POOL_BYTES)
let next = POOL_BYTES

/** Random bytes from a pool, as a replica takes them: asking the system for each salt would be the larger cost. */
function random(target: Uint8Array, at: number, length: number): void {
  if (next + length > POOL_BYTES) {
    randomFillSync(pool)
    next = 0
  }
  for (let i = 0; i < length; i++) target[at + i] = pool[next++]!
}

/** What Weft's core needs of Node. */
export const host: Host = {
  hash: hashFromLatin1(bytes => hash('sha256', bytes, 'binary')),
  random,
  now: () => Date.now(),
}
