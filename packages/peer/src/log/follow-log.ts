import type { Clock, LogRecord, Position } from '@weft/core'
import type { Subscriber } from '../base/subscriber.js'
import type { ContextLog } from './context-log.js'

const READ_BYTES = 65_536

export interface FollowOptions {
  readonly clock: Clock
  /** Ends it. */
  readonly signal: AbortSignal
  /** After so long without anything new it yields nothing, once. */
  readonly quiet_ms: number
}

/**
 * A log from a position on, as it grows: a cursor that reads when it is asked, so whoever is slow keeps nothing in memory.
 * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function* followLog(
  log: ContextLog,
  from: Position,
  { clock, signal, quiet_ms }: FollowOptions,
): AsyncGenerator<readonly LogRecord[]> {
  let next = from
  let wake = (): void => {}
  const onWake = (): void => wake()
  const subscriber: Subscriber = { committed: onWake, duplicate: () => {}, refused: () => {}, failed: onWake }
  log.subscribe(subscriber)
  signal.addEventListener('abort', onWake)
  try {
    while (!signal.aborted) {
      // Of one that is damaged the read says so.
      const records = next <= log.count || log.damage ? await log.read(next, READ_BYTES) : []
      next += records.length
      if (records.length > 0) {
        yield records
        continue
      }
      const isQuiet = await new Promise<boolean>(resolve => {
        const cancel = clock.after(quiet_ms, () => resolve(true))
        wake = () => {
          cancel()
          resolve(false)
        }
      })
      if (isQuiet) yield []
    }
  } finally {
    log.unsubscribe(subscriber)
    signal.removeEventListener('abort', onWake)
  }
}
