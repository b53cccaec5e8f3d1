import {
  type Change,
  checkFilter,
  type ContextEvent,
  contextEvent,
  type Filter,
  matchesFilter,
  type Position,
  unreached,
  WeftError,
} from '@weft/core'
import { onAbort } from '../base/aborts.js'
import { deferred } from '../base/waiting.js'
import type { ContextReplica } from '../sync/context-replica.js'

export interface EventsOptions extends Filter {
  /** The first position that is told. Default 1. */
  readonly from?: Position
  /** End with what is known now, instead of waiting for more. */
  readonly once?: boolean
  readonly signal?: AbortSignal
}

/**
 * What happens in a context, in the order of the log, for whoever wants to see it and keeps count himself. Ends when the
 * signal aborts.
 * @throws WEFT_FILTER_INVALID · WEFT_POSITION_UNKNOWN, also when the peer has been rolled back and its log now holds
 *   something else where it was told already: from `details.position` on; and why the peer no longer serves the context
 */
export async function* eventsOf(
  context: ContextReplica,
  { from = 1, once = false, signal, ...lists }: EventsOptions,
): AsyncGenerator<ContextEvent> {
  const filter = checkFilter(lists)
  const { index } = context
  const checkReached = (position: Position): void => {
    if (!(position >= 1 && position <= index.position + 1)) throw unreached(position, index.position)
  }
  checkReached(from)
  let { rewrites } = index
  let next = from
  while (!signal?.aborted) {
    const rewritten = index.rewrittenSince(rewrites)
    if (rewritten < next) throw toldOtherwise(rewritten, index.position)
    rewrites = index.rewrites
    if (next > index.position) {
      if (once) return checkReached(next)
      await grown(context, next, rewrites, signal)
      continue
    }
    // Nothing of it is named here: a generator that waits keeps what its names stood for, erased or not.
    if (matchesFilter(filter, changeAt(context, next).header))
      yield contextEvent(next, changeAt(context, next))
    next++
  }
}

function changeAt({ set, index }: ContextReplica, position: Position): Change {
  return set.change(set.dag.node(index.idAt(position)!))
}

/**
 * Resolves when the log is known up to a position, or is another one before it than at so many rewrites, or the signal
 * has aborted; rejects with why it never will be.
 */
async function grown(
  context: ContextReplica,
  position: Position,
  rewrites: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const done = deferred<void>()
  const stopHearing = signal && onAbort(signal, () => done.resolve())
  const stop = context.onPosition(() => {
    const { index } = context
    if (index.position >= position || index.rewrittenSince(rewrites) < position) done.resolve()
    else if (context.failure) done.reject(context.failure)
  })
  try {
    await done.promise
  } finally {
    stop()
    stopHearing?.()
  }
}

function toldOtherwise(position: Position, reached: Position): WeftError {
  return new WeftError(
    'WEFT_POSITION_UNKNOWN',
    `from position ${position} on, the log is another one than was told: the peer has lost what stood there`,
    `ask again from ${position} on for what stands there now, and take what was told of there as not committed`,
    { position, reached },
  )
}
