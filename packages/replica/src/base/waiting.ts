import { type Clock, WeftError } from '@weft/core'
import { onAbort } from './aborts.js'
import { checkFunction, checkObject, TIMER_MS_MAX } from './arguments.js'

/** How long a call may wait. Refused where it says nothing of the kind (WEFT_USAGE), before anything is asked or written. */
export interface WaitOptions {
  readonly signal?: AbortSignal
  /** Longer than 24 days, or `Infinity`, is for ever. */
  readonly timeout_ms?: number
}

/** Returns options that say how long to wait, or not at all. @throws WEFT_USAGE */
export function checkWait<T extends WaitOptions>(options: T): T {
  const { signal, timeout_ms } = checkObject(
    'what says how long to wait',
    options,
    'pass { timeout_ms, signal }',
  )
  if (timeout_ms !== undefined && !(typeof timeout_ms === 'number' && timeout_ms >= 0)) {
    throw new WeftError('WEFT_USAGE', `timeout_ms is ${String(timeout_ms)}`, 'pass milliseconds, 0 or more')
  }
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.addEventListener !== 'function') {
    throw new WeftError('WEFT_USAGE', 'the signal is no AbortSignal', 'pass the signal of an AbortController')
  }
  return options
}

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

/** A promise to settle later. Nobody need listen to it: its rejection alone never ends the process. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/**
 * `promise`, unless the signal aborts or the time passes first.
 * @throws WEFT_ABORTED · WEFT_USAGE, or what `late` makes
 */
export async function within<T>(
  clock: Clock,
  promise: Promise<T>,
  options: WaitOptions,
  late: () => WeftError,
): Promise<T> {
  // Whoever is refused here hears no more of it, and nobody else may.
  promise.catch(() => {})
  const { signal, timeout_ms = Number.POSITIVE_INFINITY } = checkWait(options)
  if (signal?.aborted) throw aborted(signal)
  const isForEver = timeout_ms > TIMER_MS_MAX
  if (signal === undefined && isForEver) return promise
  const cut = deferred<never>()
  const cancelTimer = isForEver ? () => {} : clock.after(timeout_ms, () => cut.reject(late()))
  const stop = signal && onAbort(signal, () => cut.reject(aborted(signal)))
  try {
    return await Promise.race([promise, cut.promise])
  } finally {
    cancelTimer()
    stop?.()
  }
}

/** Lets time pass. @throws WEFT_ABORTED */
export async function pause(clock: Clock, ms: number, { signal }: WaitOptions): Promise<void> {
  if (signal?.aborted) throw aborted(signal)
  const over = deferred<void>()
  const cancelTimer = clock.after(ms, () => over.resolve())
  const stop = signal && onAbort(signal, () => over.reject(aborted(signal)))
  try {
    await over.promise
  } finally {
    cancelTimer()
    stop?.()
  }
}

/** What is left, whenever it is asked for, of the time that a call was given. */
export function leftOf(clock: Clock, timeout_ms: number | undefined): () => WaitOptions {
  if (timeout_ms === undefined) return () => ({})
  const deadline_ms = clock.steady() + timeout_ms
  return () => ({ timeout_ms: Math.max(1, deadline_ms - clock.steady()) })
}

function aborted(signal: AbortSignal): WeftError {
  return new WeftError(
    'WEFT_ABORTED',
    'the operation was aborted by its signal',
    'nothing was undone: what was written stays written, and is synced as ever',
    {},
    { cause: signal.reason },
  )
}

/** Calls back whenever something may have changed, until the returned function is called. */
export type Watch = (changed: () => void) => () => void

/**
 * A promise that resolves when `holds` does, asked whenever one of the watches says so, and rejects with what it throws.
 * @param failure why it will not hold any more, asked likewise
 */
export function holding(
  holds: () => boolean,
  watches: readonly Watch[],
  failure: () => WeftError | undefined,
): { readonly held: Promise<void>; readonly stop: () => void } {
  checkFunction('what is waited for', holds)
  const { promise: held, resolve, reject } = deferred<void>()
  const ask = (): void => {
    try {
      if (holds()) resolve()
      else if (failure()) reject(failure())
    } catch (error) {
      reject(error)
    }
  }
  const stops = watches.map(watch => watch(ask))
  return {
    held,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}
