import { WeftError } from '@weft/core'

/** Returns `value` if it can be called. @throws WEFT_USAGE */
export function checkFunction<T>(what: string, value: T): T {
  if (typeof value === 'function') return value
  throw notAllowed(what, value, 'pass a function')
}

/** Returns `value` if properties can be read of it. @throws WEFT_USAGE */
export function checkObject<T>(what: string, value: T, cure = 'pass an object'): T {
  if (typeof value === 'object' && value !== null) return value
  throw notAllowed(what, value, cure)
}

/** Returns `value` if it is a list. @throws WEFT_USAGE */
export function checkList<T>(what: string, value: T, cure: string): T {
  if (Array.isArray(value)) return value
  throw notAllowed(what, value, cure)
}

/** Returns `value` if it is a text. @throws WEFT_USAGE */
export function checkText<T>(what: string, value: T, cure: string): T {
  if (typeof value === 'string') return value
  throw notAllowed(what, value, cure)
}

/** The longest time that a timer of Node runs: one that is set to more is over at once. */
export const TIMER_MS_MAX = 2_147_483_647

/** Returns `value` if a timer can run so many milliseconds. @throws WEFT_USAGE */
export function checkTime(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0 && value <= TIMER_MS_MAX) return value
  throw new WeftError(
    'WEFT_USAGE',
    `${what} is ${String(value)}`,
    `pass whole milliseconds from 1 to ${TIMER_MS_MAX}`,
  )
}

/** Checks what a function that makes a change has returned: one that goes on cannot be waited for. @throws WEFT_USAGE */
export function checkIsDone(what: string, returned: unknown): void {
  const going = returned as PromiseLike<unknown> | undefined
  if (typeof going?.then !== 'function') return
  going.then(undefined, ignored)
  throw new WeftError(
    'WEFT_USAGE',
    `${what} is asynchronous: a change is made at once, from one state, or not at all`,
    'await first and write then; nothing was written',
  )
}

/** What it still does to its draft fails or counts for nothing, and there is nobody but us to be told of that. */
function ignored(): void {}

function notAllowed(what: string, value: unknown, cure: string): WeftError {
  const is = value === null || value === undefined ? String(value) : `of type ${typeof value}`
  return new WeftError('WEFT_USAGE', `${what} is ${is}`, cure)
}
