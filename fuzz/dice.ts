import { hash } from 'node:crypto'
import { type Hash, type Host, hashFromLatin1 } from '@weft/core'

export const sha256: Hash = hashFromLatin1(bytes => hash('sha256', bytes, 'binary'))

/** Numbers that follow from a seed (mulberry32), so that an input can be made again. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** In [0, below). */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    const state = this.#state
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }

  chance(one_in: number): boolean {
    return this.roll(one_in) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.roll(items.length)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.roll(256))
  }

  /** What a writer takes from its host, with a clock that follows too. */
  host(): Host {
    let time = 1_700_000_000_000
    return {
      hash: sha256,
      random: (target, at, length) => target.set(this.bytes(length), at),
      now: () => time++,
    }
  }
}
