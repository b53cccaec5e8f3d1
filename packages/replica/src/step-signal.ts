/**
 * Says that a step should give up. The signal itself is made when somebody asks for it: few steps do, and to make one
 * is a good part of what a small step costs.
 */
export class StepSignal {
  #controller: AbortController | undefined
  #signal: AbortSignal | undefined
  #reason: { readonly is: unknown } | undefined

  /** @param outer what else ends the step */
  constructor(private readonly outer: readonly AbortSignal[]) {}

  get signal(): AbortSignal {
    this.#signal ??= this.#made()
    return this.#signal
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    this.#reason ??= { is: reason }
    this.#controller?.abort(reason)
  }

  /** @throws why something else has ended the step */
  throwIfAborted(): void {
    for (const signal of this.outer) signal.throwIfAborted()
  }

  #made(): AbortSignal {
    const controller = new AbortController()
    this.#controller = controller
    if (this.#reason) controller.abort(this.#reason.is)
    return this.outer.length === 0 ? controller.signal : AbortSignal.any([...this.outer, controller.signal])
  }
}
