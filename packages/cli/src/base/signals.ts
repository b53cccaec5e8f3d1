import { EXIT } from './failure.js'

/**
 * Aborts at the first signal, which asks to drain. Whoever sends a second one does not want to wait for that.
 * @param more that ask for it as well: a terminal that is closed ends what was begun in it, but for a server
 */
export function untilSignal(...more: readonly NodeJS.Signals[]): AbortSignal {
  const asked = new AbortController()
  const onSignal = (): void => {
    if (asked.signal.aborted) endNow()
    asked.abort()
  }
  for (const signal of ['SIGTERM', 'SIGINT', ...more]) process.on(signal, onSignal)
  return asked.signal
}

/**
 * Ends this process as it is. To exit, Node waits for what its threads are at, and one that waits for a disk that hangs is at it
 * for ever; so the system ends it, by the signal that the exit code stands for, when all who listen for the end have been told.
 */
export function endNow(): never {
  process.removeAllListeners('SIGINT')
  process.once('exit', () => process.kill(process.pid, 'SIGINT'))
  // Goes on to its end where the system does not do that: to the first process of a container, for one.
  process.exit(EXIT.interrupted)
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
