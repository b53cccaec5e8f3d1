import { toHex } from './bytes.js'
import type { Hash } from './ports.js'

export const HASH_BYTES = 32

/**
 * A `Hash` from a function that gives the SHA-256 as a text of 32 characters, one a byte ("binary", "latin1"). Of what
 * Node can return, this is the cheapest to read: hex has twice the characters, and a buffer costs as much as its hash.
 */
export function hashFromLatin1(sha256: (bytes: Uint8Array) => string): Hash {
  return (bytes, target, at) => {
    const digest = sha256(bytes)
    for (let i = 0; i < digest.length; i++) target[at + i] = digest.charCodeAt(i)
  }
}

/** The SHA-256 of `bytes` as 64 lower-case hex digits. */
export function hexHash(hash: Hash, bytes: Uint8Array): string {
  const digest = new Uint8Array(HASH_BYTES)
  hash(bytes, digest, 0)
  return toHex(digest)
}
