import type { Clock } from '@weft/core'

/** What is told of writes to the store. */
export interface WriteWatcher {
  /** One has been under way for so long, ms: the disk does not answer. Told once, until all that are late have ended. */
  stalled(age_ms: number): void
  /** None is late any more; the last of them took so long. */
  over(age_ms: number): void
}

/**
 * Watches the writes that are under way: a disk that hangs fails none of them, and what counts those that have ended
 * shows nothing of it.
 */
export class WriteWatch {
  /** When each began, oldest first. */
  readonly #begun = new Set<{ readonly at_ms: number }>()
  #looking = false
  #stalled = false

  /** @param stall_ms from when on a write is late */
  constructor(
    private readonly clock: Clock,
    private readonly stall_ms: number,
    private readonly watcher: WriteWatcher,
  ) {}

  /** How long the oldest has been under way; 0 when none is. */
  get oldest_ms(): number {
    const [oldest] = this.#begun
    return oldest ? this.clock.steady() - oldest.at_ms : 0
  }

  /** Does what writes, and watches it until it has ended. @throws what `work` rejects with */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const write = { at_ms: this.clock.steady() }
    this.#begun.add(write)
    this.#look(this.stall_ms)
    try {
      return await work()
    } finally {
      this.#begun.delete(write)
      if (this.#stalled && this.oldest_ms < this.stall_ms) {
        this.#stalled = false
        this.watcher.over(this.clock.steady() - write.at_ms)
        if (this.#begun.size > 0) this.#look(this.stall_ms - this.oldest_ms)
      }
    }
  }

  /** One timer for all, and only while there is something to look at: there are thousands of writes a second. */
  #look(after_ms: number): void {
    if (this.#looking || this.#stalled) return
    this.#looking = true
    this.clock.after(after_ms, () => {
      this.#looking = false
      const age_ms = this.oldest_ms
      if (age_ms >= this.stall_ms) {
        this.#stalled = true
        this.watcher.stalled(age_ms)
      } else if (this.#begun.size > 0) {
        this.#look(this.stall_ms - age_ms)
      }
    })
  }
}
