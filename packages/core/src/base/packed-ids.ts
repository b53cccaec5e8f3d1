import { toHex } from './bytes.js'
import { HASH_BYTES } from './hash.js'
import type { ChangeId } from './ids.js'

/** Checks that bytes are hashes end to end, ascending, each once. @throws RangeError */
export function checkIds(
  what: string,
  count_max: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const length = end - start
  if (length % HASH_BYTES !== 0 || length > count_max * HASH_BYTES) {
    throw new RangeError(`${what} of ${length} bytes are not up to ${count_max} hashes`)
  }
  for (let at = start + HASH_BYTES; at < end; at += HASH_BYTES) {
    if (!ascends(bytes, at)) throw new RangeError(`${what} are not in ascending order, each once`)
  }
}

function ascends(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) {
    const difference = bytes[at + i]! - bytes[at - HASH_BYTES + i]!
    if (difference !== 0) return difference > 0
  }
  return false
}

/** The ids in hashes that stand end to end. */
export function unpackIds(packed: Uint8Array, start = 0, end = packed.length): ChangeId[] {
  const ids: ChangeId[] = []
  for (let at = start; at < end; at += HASH_BYTES) ids.push(toHex(packed, at, at + HASH_BYTES))
  return ids
}
