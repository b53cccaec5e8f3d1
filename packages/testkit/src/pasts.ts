import type { Change, ChangeId } from '@weft/core'

/** Who comes before whom, one bit a change: slow to grow, quick to ask. Changes come deps first. */
export class Pasts {
  readonly #numbers = new Map<ChangeId, number>()
  readonly #pasts: Uint32Array[] = []

  add({ id, header }: Change): void {
    if (this.#numbers.has(id)) return
    const number = this.#pasts.length
    const past = new Uint32Array((number >> 5) + 1)
    for (const dep of header.deps) {
      const known = this.#numbers.get(dep)
      if (known === undefined) continue
      const before = this.#pasts[known]!
      for (let word = 0; word < before.length; word++) past[word]! |= before[word]!
      past[known >> 5]! |= 1 << (known & 31)
    }
    this.#numbers.set(id, number)
    this.#pasts.push(past)
  }

  isBefore(earlier: ChangeId, later: ChangeId): boolean {
    const bit = this.#numbers.get(earlier)
    const past = this.#pasts[this.#numbers.get(later) ?? -1]
    if (bit === undefined || past === undefined) return false
    return ((past[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0
  }
}
