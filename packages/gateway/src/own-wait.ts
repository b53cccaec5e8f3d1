import { WeftError } from '@weft/core'
import type { WaitOptions } from '@weft/replica'
import type { Wait } from './pool.js'

/**
 * Waits for what others wait for, too, as long as a request does and no longer; it goes on for the others.
 * @throws WEFT_NOT_SYNCED · WEFT_ABORTED
 */
export function ownWait(what: string, { timeout_ms, signal }: Required<WaitOptions>): Wait {
  return async shared => {
    // Whoever gives up hears no more of it, and nobody else may.
    shared.catch(() => {})
    let stop = (): void => {}
    const cut = new Promise<never>((_, reject) => {
      const late = setTimeout(() => reject(notHere(what, timeout_ms)), timeout_ms)
      const onAbort = (): void => reject(gone(signal.reason))
      signal.addEventListener('abort', onAbort)
      stop = () => {
        clearTimeout(late)
        signal.removeEventListener('abort', onAbort)
      }
      if (signal.aborted) onAbort()
    })
    return Promise.race([shared, cut]).finally(stop)
  }
}

function notHere(what: string, timeout_ms: number): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `what the peer has of ${what} was not here within ${timeout_ms} ms`,
    'wait longer, or ask again; nothing was changed',
  )
}

function gone(cause: unknown): WeftError {
  return new WeftError(
    'WEFT_ABORTED',
    'the request was broken off, or the gateway is shutting down',
    'ask again; nothing was changed',
    {},
    { cause },
  )
}
