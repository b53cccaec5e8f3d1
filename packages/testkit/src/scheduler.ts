import { EventQueue, type Happening } from './event-queue.js'
import type { SimProcess } from './process.js'
import { Trace } from './trace.js'

interface Planned extends Happening {
  /** It happens in this process: not while that is frozen, and never once it is dead. */
  readonly owner: SimProcess | undefined
}

/** 2026-01-01 UTC: when every simulation begins. */
const BEGIN_MS = 1_767_225_600_000

/**
 * The virtual time of a world, and all that is planned in it. One thing happens at a time; between two of them every
 * promise that can be settled is. Nothing waits for the clock of the machine.
 */
export class Scheduler {
  readonly trace: Trace
  readonly #queue = new EventQueue<Planned>()
  #now_ms = BEGIN_MS
  #order = 0
  #steps = 0

  constructor(keepTrace = false) {
    this.trace = new Trace(keepTrace)
  }

  /** Milliseconds since 1970 UTC, with fractions; what processes see of it is whole, and skewed. */
  get now_ms(): number {
    return this.#now_ms
  }

  /** Since the world began. */
  get elapsed_ms(): number {
    return this.#now_ms - BEGIN_MS
  }

  /** How many things have happened. */
  get steps(): number {
    return this.#steps
  }

  /** @returns a function that cancels it */
  plan(delay_ms: number, label: string, run: () => void, owner?: SimProcess): () => void {
    return this.planAt(this.#now_ms + Math.max(0, delay_ms), label, run, owner)
  }

  planAt(at_ms: number, label: string, run: () => void, owner?: SimProcess): () => void {
    const planned = { at_ms, order: this.#order++, label, run, owner, cancelled: false }
    this.#queue.push(planned)
    return () => {
      planned.cancelled = true
    }
  }

  /** Lets the next thing happen, and all that follows from it at once; false when nothing is planned. */
  async turn(): Promise<boolean> {
    const next = this.#next()
    if (next === undefined) return false
    this.#now_ms = next.at_ms
    this.#steps++
    this.trace.note(this.elapsed_ms, next.label)
    next.run()
    await settled()
    return true
  }

  #next(): Planned | undefined {
    for (;;) {
      const next = this.#queue.pop()
      if (next === undefined) return undefined
      if (next.cancelled || next.owner?.isDead) continue
      const thaw_ms = next.owner?.frozenUntil_ms ?? 0
      if (thaw_ms <= next.at_ms) return next
      next.at_ms = thaw_ms
      this.#queue.push(next)
    }
  }
}

/** Resolves when no promise is left that could be settled: microtasks and ticks run dry before the next macrotask. */
function settled(): Promise<void> {
  return new Promise(resolve => void setImmediate(resolve))
}
