/** A growing list of 32-bit integers in one typed array. */
export class IntList {
  length = 0
  #items: Int32Array

  constructor(capacity = 16) {
    this.#items = new Int32Array(capacity)
  }

  push(value: number): void {
    if (this.length === this.#items.length) {
      const grown = new Int32Array(this.#items.length * 2)
      grown.set(this.#items)
      this.#items = grown
    }
    this.#items[this.length++] = value
  }

  /** Takes the last item off; the caller knows that there is one. */
  pop(): number {
    return this.#items[--this.length]!
  }

  /** @returns the item at `index`; the caller knows that it exists */
  at(index: number): number {
    return this.#items[index]!
  }

  set(index: number, value: number): void {
    this.#items[index] = value
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.length; i++) yield this.#items[i]!
  }
}
