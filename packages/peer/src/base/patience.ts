/** Waits for one thing after another, for so long in all: what hangs neither fails nor ends. */
export class Patience {
  readonly #over: Promise<undefined>
  #isOver = false
  readonly #timer: NodeJS.Timeout

  constructor(wait_ms: number) {
    let end = (): void => {}
    this.#over = new Promise(resolve => {
      end = () => resolve(undefined)
    })
    this.#timer = setTimeout(() => {
      this.#isOver = true
      end()
    }, wait_ms)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What comes of it; undefined when that does not come in time. */
  for<T>(awaited: Promise<T>): Promise<T | undefined> {
    return Promise.race([awaited, this.#over])
  }

  /** Nothing more is waited for. */
  end(): void {
    clearTimeout(this.#timer)
  }
}
