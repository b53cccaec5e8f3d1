import type { ChangeId, WeftError } from '@weft/core'
import { type Deferred, deferred } from '../base/waiting.js'

interface Drain {
  /** The number of the last change that is waited for. */
  readonly last: number
  left: number
  readonly done: Deferred<void>
}

/**
 * The changes that were written here and have not been acknowledged, oldest first. Whoever waits for them waits for those
 * that there are when they ask: others write on meanwhile, and need not ever pause.
 */
export class OwnChanges {
  readonly #numbers = new Map<ChangeId, number>()
  #last = 0
  /** Those that wait for less come first. */
  #drains: Drain[] = []

  get size(): number {
    return this.#numbers.size
  }

  has(id: ChangeId): boolean {
    return this.#numbers.has(id)
  }

  ids(): ChangeId[] {
    return [...this.#numbers.keys()]
  }

  add(id: ChangeId): void {
    if (!this.#numbers.has(id)) this.#numbers.set(id, ++this.#last)
  }

  /** It was acknowledged, or taken back. */
  delete(id: ChangeId): void {
    const number = this.#numbers.get(id)
    if (number === undefined) return
    this.#numbers.delete(id)
    for (const drain of this.#drains) if (number <= drain.last) drain.left--
    while (this.#drains[0]?.left === 0) this.#drains.shift()!.done.resolve()
  }

  /** Resolves when none of those that there are now is left. */
  drained(): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    const last = this.#last
    const known = this.#drains.at(-1)
    if (known?.last === last) return known.done.promise
    const drain = { last, left: this.size, done: deferred<void>() }
    this.#drains.push(drain)
    return drain.done.promise
  }

  /** No more of them will be acknowledged: why, for all who wait. */
  fail(error: WeftError): void {
    for (const { done } of this.#drains) done.reject(error)
    this.#drains = []
  }
}
