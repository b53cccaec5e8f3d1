import { type Clock, WeftError } from '@weft/core'
import type { TokenGrant } from './token.js'

/** Calls `fn` with the error that ends what a token allowed, when it expires; the returned function cancels that. */
export function whenExpired(
  { expires }: TokenGrant,
  clock: Clock,
  fn: (error: WeftError) => void,
): () => void {
  let cancel = (): void => {}
  const wait = (): void => {
    const left_ms = expires * 1000 - clock.now()
    if (left_ms <= 0) fn(expired())
    else cancel = clock.after(Math.min(left_ms, TIMER_MS_MAX), wait)
  }
  wait()
  return () => cancel()
}

/** The longest that a timer of Node waits. */
const TIMER_MS_MAX = 2_147_483_647

function expired(): WeftError {
  return new WeftError('WEFT_TOKEN_EXPIRED', 'the token has expired', 'get a new token and connect again')
}
