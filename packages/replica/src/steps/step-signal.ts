import { LinkedSignal } from '../base/aborts.js'

/**
 * Says that a step should give up. The signal itself is made when somebody asks for it: few steps do, and to make one
 * is a good part of what a small step costs.
 */
export class StepSignal {
  #linked: LinkedSignal | undefined
  #reason: { readonly is: unknown } | undefined
  #ended = false

  /** @param outer what else ends the step */
  constructor(private readonly outer: readonly AbortSignal[]) {}

  get signal(): AbortSignal {
    this.#linked ??= this.#made()
    return this.#linked.signal
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    this.#reason ??= { is: reason }
    this.#linked?.abort(reason)
  }

  /** @throws why something else has ended the step */
  throwIfAborted(): void {
    for (const signal of this.outer) signal.throwIfAborted()
  }

  /** The step is over: what else would have ended it may live long, and keeps nothing of it. */
  end(): void {
    this.#ended = true
    this.#linked?.letGo()
  }

  #made(): LinkedSignal {
    const linked = new LinkedSignal(this.outer)
    if (this.#reason) linked.abort(this.#reason.is)
    if (this.#ended) linked.letGo()
    return linked
  }
}
