import { SHA256_BYTES } from '../base/hash.js'
import { decodeSealed, encodeSealed, sealOf } from '../records/head-codec.js'

/**
 * What a store says of all its contexts together. It is written with every batch, so that contexts that LevelDB loses
 * whole, or takes back to what they were, are missed.
 */
export interface StoreSeal {
  /** Batches that were written. */
  readonly commits: number
  readonly contexts: number
  /** The checksums of all head records, XORed: each batch takes the old ones out and puts the new ones in. */
  readonly sum: Uint8Array
}

/** A head record that is replaced, added (no `before`) or removed (no `after`). */
export interface HeadChange {
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}

const SEAL_VERSION = 1

export const NEW_STORE: StoreSeal = { commits: 0, contexts: 0, sum: new Uint8Array(SHA256_BYTES) }

/** The seal after one more batch. */
export function sealAfter(seal: StoreSeal, changes: Iterable<HeadChange>): StoreSeal {
  let { contexts } = seal
  const sum = Uint8Array.from(seal.sum)
  for (const { before, after } of changes) {
    if (before) addTo(sum, sealOf(before))
    if (after) addTo(sum, sealOf(after))
    contexts += Number(after !== undefined) - Number(before !== undefined)
  }
  return { commits: seal.commits + 1, contexts, sum }
}

export function sameContexts(a: StoreSeal, b: StoreSeal): boolean {
  return a.contexts === b.contexts && a.sum.every((byte, index) => byte === b.sum[index])
}

export function encodeStoreSeal(key: string, { commits, contexts, sum }: StoreSeal): Uint8Array {
  return encodeSealed(key, map => {
    map.map(4).text('v').uint(SEAL_VERSION).text('sum').byteString(sum)
    map.text('commits').uint(commits).text('contexts').uint(contexts)
  })
}

/** @throws Error that says what is damaged */
export function decodeStoreSeal(key: string, value: Uint8Array): StoreSeal {
  const map = decodeSealed('seal of the store', key, value)
  if (!isSealMap(map))
    throw new RangeError('the seal of the store is of a version that this build cannot read')
  return { commits: map.commits, contexts: map.contexts, sum: map.sum }
}

/** A damaged head may be shorter than a checksum: what is not there counts as zeros. */
function addTo(sum: Uint8Array, seal: Uint8Array): void {
  for (let i = 0; i < seal.length; i++) sum[i]! ^= seal[i]!
}

function isSealMap(map: unknown): map is StoreSeal {
  return (
    typeof map === 'object' &&
    map !== null &&
    'v' in map &&
    map.v === SEAL_VERSION &&
    'commits' in map &&
    Number.isSafeInteger(map.commits) &&
    'contexts' in map &&
    Number.isSafeInteger(map.contexts) &&
    'sum' in map &&
    map.sum instanceof Uint8Array &&
    map.sum.length === SHA256_BYTES
  )
}
