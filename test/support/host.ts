import { hash, randomFillSync } from 'node:crypto'
import type { Host } from '@weft/core'

/** The real host: SHA-256, strong randomness, the wall clock. */
export const host: Host = {
  hash: bytes => hash('sha256', bytes, 'hex'),
  random: (target, at, length) => {
    randomFillSync(target, at, length)
  },
  now: Date.now,
}
