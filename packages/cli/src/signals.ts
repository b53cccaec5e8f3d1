import { EXIT } from './failure.js'

/** The first signal asks to drain. Whoever sends a second one does not want to wait for that. */
export function untilSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = false
    const onSignal = (): void => {
      if (asked) process.exit(EXIT.interrupted)
      asked = true
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
