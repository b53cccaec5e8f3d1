import type { Clock } from '@weft/core'
import type { Dice } from './dice.js'

/** Virtual time, and what is planned in it. */
interface Time {
  readonly now_ms: number
  plan(delay_ms: number, label: string, run: () => void, owner: SimProcess): () => void
}

/** How far the clock of a process is from the true time. */
export interface Skew {
  readonly offset_ms: number
  /** Its seconds are longer or shorter by this share. */
  readonly rate: number
}

export const NO_SKEW: Skew = { offset_ms: 0, rate: 0 }

/** A process from its start to its end: what it planned ends with it, and waits while it is frozen. */
export class SimProcess {
  readonly clock: Clock
  readonly #began_ms: number
  #offset_ms: number
  #isDead = false
  #frozenUntil_ms = 0

  /** @param host where it runs: another process there, after it, is on the same routes */
  constructor(
    readonly host: string,
    readonly name: string,
    private readonly scheduler: Time,
    readonly dice: Dice,
    private readonly skew: Skew,
  ) {
    this.#began_ms = scheduler.now_ms
    this.#offset_ms = skew.offset_ms
    const label = `timer ${name}`
    this.clock = {
      now: () => Math.floor(this.#offset_ms + scheduler.now_ms + this.#drift_ms),
      steady: () => Math.floor(scheduler.now_ms + this.#drift_ms),
      after: (ms, fn) => scheduler.plan(ms / (1 + skew.rate), label, fn, this),
    }
  }

  get isDead(): boolean {
    return this.#isDead
  }

  get frozenUntil_ms(): number {
    return this.#frozenUntil_ms
  }

  get isFrozen(): boolean {
    return this.#frozenUntil_ms > this.scheduler.now_ms
  }

  kill(): void {
    this.#isDead = true
  }

  /** Nothing happens in it for so long, as if it were stopped, swapped out or collecting garbage. */
  freeze(ms: number): void {
    this.#frozenUntil_ms = this.scheduler.now_ms + ms
  }

  thaw(): void {
    this.#frozenUntil_ms = 0
  }

  /** Somebody sets the wall clock of its machine. */
  setClock(offset_ms: number): void {
    this.#offset_ms = offset_ms
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.clock.after(ms, resolve))
  }

  get #drift_ms(): number {
    return (this.scheduler.now_ms - this.#began_ms) * this.skew.rate
  }
}
