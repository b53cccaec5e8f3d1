/** Bytes that may be held, of a part and of the whole it belongs to. */
export class Budget {
  #used = 0

  constructor(
    readonly bytes_max: number,
    private readonly whole?: Budget,
  ) {}

  get used(): number {
    return this.#used
  }

  /** Takes so many bytes, if there is room for all of them here and in the whole. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.bytes_max) return false
    if (this.whole && !this.whole.take(bytes)) return false
    this.#used += bytes
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
    this.whole?.give(bytes)
  }
}
