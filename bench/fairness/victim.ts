import { entries, openClient } from '../peer/clients.js'

const WARM_UP = 20
const PACE_MS = 2

/** Milliseconds from each change of a steady writer until it is durable, until the signal comes. */
export async function steadyAcks(url: string, workflow: string, signal: AbortSignal): Promise<number[]> {
  const { replica, context } = await openClient(url, workflow)
  const values = entries()
  const latencies: number[] = []
  for (let i = 0; i < WARM_UP || !signal.aborted; i++) {
    const started = performance.now()
    await context.append('message', values[i % values.length]!).committed
    const took = performance.now() - started
    if (i >= WARM_UP) latencies.push(took)
    await new Promise(resolve => void setTimeout(resolve, PACE_MS - took))
  }
  await replica.close()
  return latencies
}
