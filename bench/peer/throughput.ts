import { type Client, entries, openClient } from './clients.js'
import type { ServerProcess } from './server-process.js'

export const WRITERS = 8
export const CHANGES_PER_WRITER = 5_000
const CHANGES = WRITERS * CHANGES_PER_WRITER
/** Changes that a writer has on the way before it waits for the oldest. */
export const WINDOW = 64

export interface Throughput {
  readonly changesPerSecond: number
  readonly serverCpuUs: number
  readonly clientCpuUs: number
  readonly changesPerFrame: number
}

/** Writers with a replica, a connection and a context each, all at once, until everything they wrote is on disk. */
export async function throughput(server: ServerProcess, name: string): Promise<Throughput> {
  const clients = await Promise.all(
    Array.from({ length: WRITERS }, (_, writer) => openClient(server.url, `${name}-${writer}`)),
  )
  const cpuUs = await server.cpuUs()
  const frames = await server.framesIn()
  const own = process.cpuUsage()
  const started = performance.now()
  await Promise.all(clients.map(writeAll))
  const seconds = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(own)
  const result = {
    changesPerSecond: CHANGES / seconds,
    serverCpuUs: ((await server.cpuUs()) - cpuUs) / CHANGES,
    clientCpuUs: (user + system) / CHANGES,
    changesPerFrame: CHANGES / ((await server.framesIn()) - frames),
  }
  await Promise.all(clients.map(({ replica }) => replica.close()))
  return result
}

async function writeAll({ context }: Client): Promise<void> {
  const values = entries()
  const onTheWay: Promise<number>[] = []
  for (let i = 0; i < CHANGES_PER_WRITER; i++) {
    if (onTheWay.length >= WINDOW) await onTheWay.shift()
    onTheWay.push(context.append('message', values[i % values.length]!).committed)
    // The replica sends what a turn wrote in one frame: each change is to have its own.
    await undefined
  }
  await Promise.all(onTheWay)
}
