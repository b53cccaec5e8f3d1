/** A tool call or a result, by the entry that holds it. */
export interface ToolEnd<Where> {
  readonly at: Where
  readonly side: 'call' | 'result'
}

/** How two entries stand to each other in cause; an entry comes before itself. */
export interface Causes<Where> {
  /** Negative when `a` stands before `b` in the order. */
  readonly compare: (a: Where, b: Where) => number
  /** Whether `a` is in the past of `b`, or is `b`. */
  readonly isBefore: (a: Where, b: Where) => boolean
}

/**
 * Which result answers which call, among all that bear one id: models use ids again. A result answers the latest call
 * in its past that has no answer yet; where there is none, one that was made beside it (the work was handed on by other
 * means), the first. Each has one partner: a second result answers nothing.
 *
 * An agent's turns come one behind the other: what stands behind all others is taken in without a look at those that
 * have their partners.
 */
export class ToolPairs<Where, End extends ToolEnd<Where>> {
  /** Calls without an answer, in order. */
  readonly #open: End[] = []
  /** Calls whose answer was made beside them: one from after them, if it comes, takes its place. */
  readonly #answeredBeside: End[] = []
  /** Results that answer nothing, in order. */
  readonly #lone: End[] = []
  readonly #partners = new Map<End, End>()
  #last: Where | undefined
  #first: End | undefined

  constructor(
    ends: readonly End[],
    private readonly causes: Causes<Where>,
  ) {
    const inOrder = [...ends].sort((a, b) => causes.compare(a.at, b.at) || sideOf(a) - sideOf(b))
    for (const end of inOrder) {
      if (end.side === 'call') this.#open.push(end)
      else this.#answer(end)
    }
    for (const result of this.#lone.splice(0)) this.#answerBeside(result)
    this.#last = inOrder.at(-1)?.at
    this.#first = inOrder.find(({ side }) => side === 'call')
  }

  /** The first call of all. */
  get first(): End | undefined {
    return this.#first
  }

  get hasAny(): boolean {
    return this.#partners.size > 0
  }

  partnerOf(end: End): End | undefined {
    return this.#partners.get(end)
  }

  /**
   * Takes in what one more entry holds.
   * @returns of the others those that fare otherwise now; undefined when it does not stand behind them all, or parts a
   * pair: then these pairs are of no more use
   */
  append(ends: readonly End[]): readonly End[] | undefined {
    const [{ at }] = ends as readonly [End]
    if (this.#last !== undefined && this.causes.compare(this.#last, at) >= 0) return undefined
    this.#last = at
    const hadAny = this.hasAny
    const before = this.#lone.splice(0)
    const calls = ends.filter(({ side }) => side === 'call')
    this.#open.push(...calls)
    this.#first ??= calls[0]
    for (const result of ends) {
      if (result.side !== 'result') continue
      if (this.#partsPair(result)) return undefined
      this.#answer(result)
    }
    const after = this.#lone.splice(0)
    // The other calls that wait cannot be theirs: they were not before.
    const fresh = calls.filter(call => !this.#partners.has(call)).length
    for (const result of before) this.#answerBeside(result, this.#open.length - fresh)
    for (const result of after) this.#answerBeside(result)
    // Of a result that answers nothing it is told whether others answer.
    return [...(this.hasAny && !hadAny ? before : []), ...ends.flatMap(end => this.#partners.get(end) ?? [])]
  }

  #answer(result: End): void {
    const at = this.#latestBefore(result)
    if (at < 0) this.#lone.push(result)
    else this.#pair(result, this.#open.splice(at, 1)[0]!)
  }

  /** @param from the first of the calls that wait which it may answer */
  #answerBeside(result: End, from = 0): void {
    const at = this.#open.findIndex(
      (call, index) => index >= from && !this.causes.isBefore(result.at, call.at),
    )
    if (at < 0) {
      this.#lone.push(result)
      return
    }
    const [call] = this.#open.splice(at, 1) as [End]
    this.#answeredBeside.push(call)
    this.#pair(result, call)
  }

  /** Whether the call that a result is to answer has an answer that was made beside it. */
  #partsPair(result: End): boolean {
    if (this.#answeredBeside.length === 0) return false
    const own = this.#open[this.#latestBefore(result)]
    return this.#answeredBeside.some(
      call =>
        this.causes.isBefore(call.at, result.at) &&
        (own === undefined || this.causes.compare(own.at, call.at) < 0),
    )
  }

  #latestBefore(result: End): number {
    return this.#open.findLastIndex(call => this.causes.isBefore(call.at, result.at))
  }

  #pair(result: End, call: End): void {
    this.#partners.set(result, call).set(call, result)
  }
}

/** Of one entry the calls come first: they are in the past of its results. */
function sideOf({ side }: ToolEnd<unknown>): number {
  return side === 'call' ? 0 : 1
}
