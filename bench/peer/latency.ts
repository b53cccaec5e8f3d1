import { entries, openClient } from './clients.js'

const WARM_UP = 200
const WRITES = 1_000
const VISIBLE_MS_MAX = 10_000

/** Milliseconds from a write until the peer has said that it is on disk, one after the other. */
export async function acknowledgements(url: string, workflow: string): Promise<number[]> {
  const { replica, context } = await openClient(url, workflow)
  const values = entries()
  const latencies: number[] = []
  for (let i = 0; i < WARM_UP + WRITES; i++) {
    const started = performance.now()
    await context.append('message', values[i % values.length]!).committed
    latencies.push(performance.now() - started)
  }
  await replica.close()
  return latencies.slice(WARM_UP)
}

/** Milliseconds from a write on one replica until another one tells of it, one after the other. */
export async function visibilities(url: string, workflow: string): Promise<number[]> {
  const writer = await openClient(url, workflow)
  const reader = await openClient(url, workflow)
  const values = entries()
  const latencies: number[] = []
  for (let i = 0; i < WARM_UP + WRITES; i++) {
    const seen = new Promise<void>(resolve => {
      const stop = reader.context.onChange(() => {
        stop()
        resolve()
      })
    })
    const started = performance.now()
    writer.context.append('message', values[i % values.length]!)
    await seen
    latencies.push(performance.now() - started)
    if (latencies.at(-1)! > VISIBLE_MS_MAX) throw new Error('a change was not seen in time')
  }
  await Promise.all([writer.replica.close(), reader.replica.close()])
  return latencies.slice(WARM_UP)
}
