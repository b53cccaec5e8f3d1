/** What there is only so much of, and who has it: nobody gets more than half of what the others leave, so that all find some. */
export class Shares {
  readonly #takenBy = new Map<string, number>()
  #taken = 0

  constructor(private readonly max: number) {}

  /** How much somebody may have in all, as things are. */
  mostFor(who: string): number {
    return shareOf(this.max - (this.#taken - this.takenBy(who)))
  }

  takenBy(who: string): number {
    return this.#takenBy.get(who) ?? 0
  }

  /** Takes all of it, or nothing when that is more than it may. */
  take(who: string, amount: number): boolean {
    const taken = this.takenBy(who) + amount
    if (taken > this.mostFor(who)) return false
    this.#takenBy.set(who, taken)
    this.#taken += amount
    return true
  }

  giveBack(who: string, amount: number): void {
    const left = this.takenBy(who) - amount
    if (left > 0) this.#takenBy.set(who, left)
    else this.#takenBy.delete(who)
    this.#taken -= amount
  }
}

/** What one may have of what the others leave. */
export function shareOf(left: number): number {
  return Math.min(left, Math.max(1, Math.floor(left / 2)))
}
