import { maskedCrc32c } from '../base/crc32c.js'

/*
 * A journal of LevelDB (its write-ahead log, its MANIFEST) is blocks of 32 KiB; a block is records: masked CRC-32C of what
 * follows the length (4 bytes), length (2), type (1), payload, little endian. What does not fit into a block is zeros.
 */

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const TYPE_MAX = 4

/**
 * What is wrong with a journal: LevelDB would pass over it without a word. What nothing sound follows may be what a crash
 * left of a write that nobody was told of; whether it was acknowledged is for the seal of the store to say.
 * @returns the offset; undefined when all is well
 */
export function damageOfJournal(bytes: Uint8Array): number | undefined {
  let broken: number | undefined
  for (let block = 0; block < bytes.length; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, bytes.length)
    let at = block
    while (at + HEADER_BYTES <= end) {
      const next = at + HEADER_BYTES + lengthAt(bytes, at)
      if (isRecord(bytes, at, Math.min(next, end)) && next <= end) {
        if (broken !== undefined) return broken
      } else {
        broken ??= at
      }
      // Its length may be what is damaged: then nothing more of the block can be found.
      if (next > end) break
      at = next
    }
  }
  return undefined
}

const FULL = 1
const LAST = 4

/** What was written to a journal, each as one; undefined when any of it is broken or cut off. */
export function recordsOfJournal(bytes: Uint8Array): Uint8Array[] | undefined {
  const records: Uint8Array[] = []
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(at - (at % BLOCK_BYTES) + BLOCK_BYTES, bytes.length)
    if (at + HEADER_BYTES > end) {
      at = end
      continue
    }
    const next = at + HEADER_BYTES + lengthAt(bytes, at)
    if (next > end || !isRecord(bytes, at, next)) return undefined
    parts.push(bytes.subarray(at + HEADER_BYTES, next))
    const type = bytes[at + 6]
    if (type === FULL || type === LAST) records.push(Buffer.concat(parts.splice(0)))
    at = next
  }
  return parts.length === 0 ? records : undefined
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 4]! | (bytes[at + 5]! << 8)
}

function isRecord(bytes: Uint8Array, at: number, end: number): boolean {
  const type = bytes[at + 6]!
  const stored = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true)
  return type > 0 && type <= TYPE_MAX && maskedCrc32c(bytes, at + 6, end) === stored
}
