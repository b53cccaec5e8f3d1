import { compareBytes, toHex } from './bytes.js'

/** Chance does not take a key so far from its slot in a table that is half full at most; whoever chooses keys can. */
const PROBES_MAX = 128

/**
 * Numbers distinct byte strings of one width by the order of their arrival, from 0. Open addressing over one slab:
 * the keys are hashes already, so their first four bytes serve as the hash, and no string is built. The table holds
 * those beside each number, so that only a key that is likely the same is looked at. Keys that were chosen to begin
 * alike go to a map of strings, which are hashed in a way that nobody outside of the process can foresee.
 */
export class ByteIndex {
  size = 0
  #slab: Uint8Array
  /** Number and hash of a key, by slot; the number is -1 where there is none. */
  #table: Int32Array
  /** Of keys that found no place near their slot. */
  readonly #crowded = new Map<string, number>()

  constructor(
    readonly width: number,
    capacity = 16,
  ) {
    this.#slab = new Uint8Array(capacity * width)
    this.#table = emptyTable(capacity * 2)
  }

  /** The number of the key at `bytes[offset…]`, or -1. */
  find(bytes: Uint8Array, offset = 0): number {
    const table = this.#table
    const hash = hashAt(bytes, offset)
    const mask = table.length - 1
    let slot = (hash << 1) & mask
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const number = table[slot]!
      if (number < 0) break
      if (table[slot + 1] === hash && this.is(number, bytes, offset)) return number
      slot = (slot + 2) & mask
    }
    if (this.#crowded.size === 0) return -1
    return this.#crowded.get(toHex(bytes, offset, offset + this.width)) ?? -1
  }

  /** Whether the key with this number is the one at `bytes[offset…]`. */
  is(number: number, bytes: Uint8Array, offset: number): boolean {
    const slab = this.#slab
    const end = (number + 1) * this.width
    for (let i = end - this.width, j = offset; i < end; i++, j++) if (slab[i] !== bytes[j]) return false
    return true
  }

  /** Numbers a key that, as the caller knows, is not here. */
  insert(bytes: Uint8Array, offset = 0): number {
    const number = this.size
    const start = number * this.width
    if (start === this.#slab.length) this.#grow()
    const slab = this.#slab
    for (let i = 0; i < this.width; i++) slab[start + i] = bytes[offset + i]!
    this.#place(number, hashAt(bytes, offset))
    this.size++
    return number
  }

  /** A view of the key with this number. */
  key(number: number): Uint8Array {
    return this.#slab.subarray(number * this.width, (number + 1) * this.width)
  }

  compare(a: number, b: number): number {
    return compareBytes(this.key(a), this.key(b))
  }

  #grow(): void {
    const slab = new Uint8Array(this.#slab.length * 2)
    slab.set(this.#slab)
    this.#slab = slab
    const full = this.#table
    this.#table = emptyTable(full.length)
    for (let slot = 0; slot < full.length; slot += 2) {
      if (full[slot]! >= 0) this.#place(full[slot]!, full[slot + 1]!)
    }
  }

  #place(number: number, hash: number): void {
    const table = this.#table
    const mask = table.length - 1
    let slot = (hash << 1) & mask
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      if (table[slot]! < 0) {
        table[slot] = number
        table[slot + 1] = hash
        return
      }
      slot = (slot + 2) & mask
    }
    this.#crowded.set(toHex(this.key(number)), number)
  }
}

/** A slot has two cells; a table is half full at most. */
function emptyTable(slots: number): Int32Array {
  return new Int32Array(slots * 2).fill(-1)
}

function hashAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)
}
