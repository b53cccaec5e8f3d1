import { hash, randomFillSync } from 'node:crypto'
import { type Host, hashFromLatin1 } from '@weft/core'

/** The real host: SHA-256, strong randomness, the wall clock. */
export const host: Host = {
  hash: hashFromLatin1(bytes => hash('sha256', bytes, 'binary')),
  random: (target, at, length) => {
    randomFillSync(target, at, length)
  },
  now: Date.now,
}
