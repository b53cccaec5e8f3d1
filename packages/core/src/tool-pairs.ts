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

export interface Pair<Where> {
  readonly call: ToolEnd<Where>
  readonly result: ToolEnd<Where>
}

/**
 * Which result answers which call, among all that bear one id: models use ids again. A result answers the latest call
 * in its past that has no answer yet; where there is none, one that was made beside it (the work was handed on by other
 * means), the first. Each has one partner: a second result answers nothing.
 */
export function pairTools<Where>(ends: readonly ToolEnd<Where>[], causes: Causes<Where>): Pair<Where>[] {
  const sorted = [...ends].sort((a, b) => causes.compare(a.at, b.at))
  const open = sorted.filter(({ side }) => side === 'call')
  const pairs: Pair<Where>[] = []
  const answer = (result: ToolEnd<Where>, call: ToolEnd<Where> | undefined): boolean => {
    if (call === undefined) return false
    open.splice(open.indexOf(call), 1)
    pairs.push({ call, result })
    return true
  }
  const unanswering = sorted.filter(
    result =>
      result.side === 'result' &&
      !answer(
        result,
        open.findLast(call => causes.isBefore(call.at, result.at)),
      ),
  )
  for (const result of unanswering)
    answer(
      result,
      open.find(call => !causes.isBefore(result.at, call.at)),
    )
  return pairs
}
