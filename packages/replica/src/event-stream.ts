import {
  type Change,
  checkFilter,
  type ContextEvent,
  contextEvent,
  type Filter,
  matchesFilter,
  type Position,
  unreached,
} from '@weft/core'
import type { ContextReplica } from './context-replica.js'
import { deferred } from './waiting.js'

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
 * @throws WEFT_FILTER_INVALID · WEFT_POSITION_UNKNOWN, also when the log has been rolled back behind what was told, and
 *   why the peer no longer serves the context
 */
export async function* eventsOf(
  context: ContextReplica,
  { from = 1, once = false, signal, ...lists }: EventsOptions,
): AsyncGenerator<ContextEvent> {
  const filter = checkFilter(lists)
  const { index } = context
  for (let next = from; !signal?.aborted; next++) {
    if (!(next >= 1 && next <= index.position + 1)) throw unreached(next, index.position)
    if (next > index.position) {
      if (once) return
      await grown(context, next, signal)
      if (signal?.aborted) return
    }
    // Nothing of it is named here: a generator that waits keeps what its names stood for, erased or not.
    if (matchesFilter(filter, changeAt(context, next).header))
      yield contextEvent(next, changeAt(context, next))
  }
}

function changeAt({ set, index }: ContextReplica, position: Position): Change {
  return set.change(set.dag.node(index.idAt(position)!))
}

/** Resolves when the log is known up to a position, or the signal has aborted; rejects with why it never will be. */
async function grown(
  context: ContextReplica,
  position: Position,
  signal: AbortSignal | undefined,
): Promise<void> {
  const done = deferred<void>()
  const onAbort = (): void => done.resolve()
  signal?.addEventListener('abort', onAbort)
  const stop = context.onPosition(() => {
    if (context.index.position >= position) done.resolve()
    else if (context.failure) done.reject(context.failure)
  })
  try {
    await done.promise
  } finally {
    stop()
    signal?.removeEventListener('abort', onAbort)
  }
}
