interface Due {
  readonly at_ms: number
  readonly wake: () => void
}

/**
 * Time that stands still while anybody computes, and jumps to the next thing that is due when all are waiting. What
 * happens is then decided by the times in the script alone, and an hour costs nothing.
 */
export class VirtualTime {
  /** Sorted; what is due at the same time stays in the order in which it was asked for. */
  readonly #due: Due[] = []
  #now_ms = 0

  get now_ms(): number {
    return this.#now_ms
  }

  sleep(ms: number): Promise<void> {
    return new Promise(wake => this.#insert({ at_ms: this.#now_ms + ms, wake }))
  }

  /** Lets time pass until `work` is through. What it has left in flight is never done. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    let ended = false
    const result = work().finally(() => {
      ended = true
    })
    while (!ended) {
      await allWaiting()
      const next = this.#due.shift()
      if (next === undefined) break
      this.#now_ms = next.at_ms
      next.wake()
    }
    return result
  }

  #insert(due: Due): void {
    const behind = this.#due.findIndex(({ at_ms }) => at_ms > due.at_ms)
    this.#due.splice(behind < 0 ? this.#due.length : behind, 0, due)
  }
}

/** Everything that can go on without time passing has gone on. */
function allWaiting(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
