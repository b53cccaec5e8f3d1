/** Seeded randomness: the same seed and label give the same rolls, for ever. "sfc32" by Chris Doty-Humphrey. */
export class Dice {
  #a: number
  #b: number
  #c: number
  #count = 1

  /** @param label keeps what one part of a simulation rolls apart from what the others do */
  constructor(
    private readonly seed: number,
    private readonly label = '',
  ) {
    this.#a = mix(seed ^ 0x9e3779b9, label)
    this.#b = mix(seed ^ 0x243f6a88, label)
    this.#c = mix(seed ^ 0xb7e15162, label)
    for (let warm = 0; warm < 12; warm++) this.bits()
  }

  /** Dice whose rolls depend on no roll of these. */
  apart(label: string): Dice {
    return new Dice(this.seed, `${this.label}/${label}`)
  }

  /** 32 bits, unsigned. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** From 0 to below 1. */
  unit(): number {
    return this.bits() / 0x1_0000_0000
  }

  /** A whole number from 0 to below `sides`. */
  below(sides: number): number {
    return Math.floor(this.unit() * sides)
  }

  between(least: number, most: number): number {
    return least + this.unit() * (most - least)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** The items in another order. */
  shuffled<T>(list: readonly T[]): T[] {
    const items = [...list]
    for (let last = items.length - 1; last > 0; last--) {
      const at = this.below(last + 1)
      const item = items[last]!
      items[last] = items[at]!
      items[at] = item
    }
    return items
  }

  fill(target: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) target[at + i] = this.bits()
  }
}

/** FNV-1a over the label, begun at a number. */
function mix(begin: number, label: string): number {
  let hash = begin | 0
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
}
