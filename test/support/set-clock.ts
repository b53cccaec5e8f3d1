import type { Clock } from '@weft/core'

/** A clock that a test sets. */
export class SetClock implements Clock {
  at_ms = 1_000
  readonly #timers = new Set<{ readonly due_ms: number; readonly fn: () => void }>()
  now = (): number => this.at_ms
  steady = (): number => this.at_ms

  after = (ms: number, fn: () => void): (() => void) => {
    const timer = { due_ms: this.at_ms + ms, fn }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(ms: number): void {
    this.at_ms += ms
    // What begins anew is not due yet.
    for (const timer of [...this.#timers].filter(({ due_ms }) => due_ms <= this.at_ms)) {
      this.#timers.delete(timer)
      timer.fn()
    }
  }
}
