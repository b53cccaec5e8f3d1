import { EXIT } from './failure.js'

/**
 * Aborts at the first signal, which asks to drain. Whoever sends a second one does not want to wait for that.
 * @param more that ask for it as well: a terminal that is closed ends what was begun in it, but for a server
 */
export function untilSignal(...more: readonly NodeJS.Signals[]): AbortSignal {
  const asked = new AbortController()
  const onSignal = (): void => {
    if (asked.signal.aborted) process.exit(EXIT.interrupted)
    asked.abort()
  }
  for (const signal of ['SIGTERM', 'SIGINT', ...more]) process.on(signal, onSignal)
  return asked.signal
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
