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
    let slot = this.#firstSlot(bytes, offset)
    for (;;) {
      const number = this.#table[slot]!
      if (number < 0 || this.#equals(number, bytes, offset)) return number
      slot = (slot + 1) & (this.#table.length - 1)
    }
  }

  /** Numbers a key that, as the caller knows, is not here. */
  insert(bytes: Uint8Array, offset = 0): number {
    if ((this.size + 1) * 2 > this.#table.length) this.#grow()
    const slab = this.#slab
    const end = (this.size + 1) * this.width
    for (let i = end - this.width, j = offset; i < end; i++, j++) slab[i] = bytes[j]!
    this.#table[this.#freeSlot(bytes, offset)] = this.size
    return this.size++
  }

  /** A view of the key with this number. */
  key(number: number): Uint8Array {
    return this.#slab.subarray(number * this.width, (number + 1) * this.width)
  }

  compare(a: number, b: number): number {
    return compareBytes(this.key(a), this.key(b))
  }

  #firstSlot(bytes: Uint8Array, offset: number): number {
    const hash =
      bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)
    return hash & (this.#table.length - 1)
  }

  #freeSlot(bytes: Uint8Array, offset: number): number {
    let slot = this.#firstSlot(bytes, offset)
    while (this.#table[slot]! >= 0) slot = (slot + 1) & (this.#table.length - 1)
    return slot
  }

  #equals(number: number, bytes: Uint8Array, offset: number): boolean {
    const slab = this.#slab
    const end = (number + 1) * this.width
    for (let i = end - this.width, j = offset; i < end; i++, j++) if (slab[i] !== bytes[j]) return false
    return true
  }

  #grow(): void {
    const slab = new Uint8Array(this.#slab.length * 2)
    slab.set(this.#slab)
    this.#slab = slab
    this.#table = new Int32Array(this.#table.length * 2).fill(-1)
    for (let number = 0; number < this.size; number++) {
      this.#table[this.#freeSlot(this.#slab, number * this.width)] = number
    }
  }
}
