import type { TokenCounter } from './window-options.js'

const TEXTS_KEPT_MAX = 256

/** Tokens by text, for each counter: of texts that are told again and again. */
export class TileSizes {
  readonly #byCounter = new WeakMap<TokenCounter, Map<string, number>>()

  of(counter: TokenCounter): Map<string, number> {
    const known = this.#byCounter.get(counter)
    // What is no longer told goes with the rest; what still is will be counted once more.
    if (known && known.size < TEXTS_KEPT_MAX) return known
    const sizes = new Map<string, number>()
    this.#byCounter.set(counter, sizes)
    return sizes
  }
}
