import type { Stale } from '@weft/core'
import { onAbort } from '../base/aborts.js'

/** Tells what becomes stale until stopped, or until nothing more can be told: `failed` then hears why. */
export type StaleWatch = (
  tell: (stale: readonly Stale[]) => void,
  failed: (error: unknown) => void,
) => () => void

/** What becomes stale, one at a time. Ends when the signal aborts. @throws what the watch fails with, when all is told */
export async function* staleOf(
  watch: StaleWatch,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<Stale> {
  const { signal } = options
  const queue: Stale[] = []
  let wake = (): void => {}
  let ended: { readonly error: unknown } | undefined
  const stop = watch(
    stale => {
      for (const each of stale) queue.push(each)
      wake()
    },
    error => {
      ended = { error }
      wake()
    },
  )
  const stopHearing = signal && onAbort(signal, () => wake())
  try {
    while (!signal?.aborted) {
      const next = queue.shift()
      if (next) yield next
      else if (ended) throw ended.error
      else {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    }
  } finally {
    stop()
    stopHearing?.()
  }
}
