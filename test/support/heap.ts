import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Lets go of all that nobody reaches any more. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    collect()
    // What is held for the length of a turn is let go of between two.
    await nextTurn()
  }
}

/** The bytes that are reached in this thread. */
export async function heapInUse(): Promise<number> {
  await collectGarbage()
  return process.memoryUsage().heapUsed
}
