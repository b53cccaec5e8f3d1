import { compareBytes } from './bytes.js'

/**
 * Numbers distinct byte strings of one width by the order of their arrival, from 0. Open addressing over one slab:
 * the keys are hashes already, so their first four bytes serve as the hash, and no string is ever built.
 */
export class ByteIndex {
  size = 0
  #slab: Uint8Array
  #table: Int32Array

  constructor(
    readonly width: number,
    capacity = 64,
  ) {
    this.#slab = new Uint8Array(capacity * width)
    this.#table = new Int32Array(capacity * 2).fill(-1)
  }

  /** The number of the key at `bytes[offset…]`, or -1. */
  find(bytes: Uint8Array, offset = 0): number {
    return this.#table[this.#slot(bytes, offset)]!
  }

  /** The key's number; a new one if it was not there. */
  add(bytes: Uint8Array, offset = 0): number {
    let slot = this.#slot(bytes, offset)
    const found = this.#table[slot]!
    if (found >= 0) return found
    if ((this.size + 1) * 2 > this.#table.length) {
      this.#grow()
      slot = this.#slot(bytes, offset)
    }
    for (let i = 0; i < this.width; i++) this.#slab[this.size * this.width + i] = bytes[offset + i]!
    this.#table[slot] = this.size
    return this.size++
  }

  /** A view of the key with this number. */
  key(number: number): Uint8Array {
    return this.#slab.subarray(number * this.width, (number + 1) * this.width)
  }

  compare(a: number, b: number): number {
    return compareBytes(this.key(a), this.key(b))
  }

  #slot(bytes: Uint8Array, offset: number): number {
    const mask = this.#table.length - 1
    let slot =
      ((bytes[offset]! |
        (bytes[offset + 1]! << 8) |
        (bytes[offset + 2]! << 16) |
        (bytes[offset + 3]! << 24)) >>>
        0) &
      mask
    for (;;) {
      const number = this.#table[slot]!
      if (number < 0 || this.#equals(number, bytes, offset)) return slot
      slot = (slot + 1) & mask
    }
  }

  #equals(number: number, bytes: Uint8Array, offset: number): boolean {
    const start = number * this.width
    for (let i = 0; i < this.width; i++) if (this.#slab[start + i] !== bytes[offset + i]) return false
    return true
  }

  #grow(): void {
    const slab = new Uint8Array(this.#slab.length * 2)
    slab.set(this.#slab)
    this.#slab = slab
    this.#table = new Int32Array(this.#table.length * 2).fill(-1)
    for (let number = 0; number < this.size; number++) {
      this.#table[this.#slot(this.#slab, number * this.width)] = number
    }
  }
}
