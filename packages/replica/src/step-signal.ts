/**
 * Says that a step should give up. The signal itself is made when somebody asks for it: few steps do, and to make one
 * takes longer than all that a small step does else.
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

  throwIfAborted(): void {
    if (this.#signal) this.#signal.throwIfAborted()
    for (const signal of this.outer) signal.throwIfAborted()
    if (this.#reason) throw this.#reason.is
  }

  #made(): AbortSignal {
    const controller = new AbortController()
    this.#controller = controller
    if (this.#reason) controller.abort(this.#reason.is)
    return this.outer.length === 0 ? controller.signal : AbortSignal.any([...this.outer, controller.signal])
  }
}
