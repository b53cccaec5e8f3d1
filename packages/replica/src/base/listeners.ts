import { checkFunction } from './arguments.js'

/** Who is told of something, in the order in which they asked to be. */
export class Listeners<Told extends readonly unknown[]> {
  readonly #listening = new Set<(...told: Told) => void>()

  get size(): number {
    return this.#listening.size
  }

  /** @returns a function that ends it. @throws WEFT_USAGE for what cannot be called */
  add(listener: (...told: Told) => void): () => void {
    checkFunction('the listener', listener)
    // One function may listen twice, and stop once.
    const listening = isolated(listener)
    this.#listening.add(listening)
    return () => this.#listening.delete(listening)
  }

  tell(...told: Told): void {
    for (const listening of this.#listening) listening(...told)
  }

  clear(): void {
    this.#listening.clear()
  }
}

/**
 * As `listener`, but what that throws ends nothing that is under way: whoever wrote has written, and all others are told.
 * It is thrown once that is done, to nobody, as an event target does: so it is heard of as any uncaught exception is.
 */
export function isolated<Told extends readonly unknown[]>(
  listener: (...told: Told) => void,
): (...told: Told) => void {
  return (...told) => {
    try {
      listener(...told)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
