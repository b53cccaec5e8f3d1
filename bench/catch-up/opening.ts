import { entries, openClient } from '../peer/clients.js'
import type { ServerProcess } from '../peer/server-process.js'

export const ENTRIES = 10_000
const LOOK_MS = 20

export interface Opening {
  /** From connecting until all the peer has is here. */
  readonly openMs: number
  /** Until its entries are read, too. */
  readonly readMs: number
  readonly serverCpuMs: number
}

export async function fill(url: string, workflow: string): Promise<void> {
  const { replica, context } = await openClient(url, workflow)
  const values = entries()
  for (let i = 0; i < ENTRIES; i++) context.append('message', values[i % values.length]!)
  await context.flush()
  await replica.close()
}

/** A worker without anything opens a context that nobody has open. */
export async function opening(server: ServerProcess, workflow: string): Promise<Opening> {
  while ((await server.metric('weft_contexts_open')) > 0)
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  const before = await server.cpuUs()
  const started = performance.now()
  const { replica, context } = await openClient(server.url, workflow)
  const opened = performance.now()
  const { length } = context.entries()
  const read = performance.now()
  if (length !== ENTRIES) throw new Error(`${length} entries, where ${ENTRIES} were written`)
  const result = {
    openMs: opened - started,
    readMs: read - started,
    serverCpuMs: ((await server.cpuUs()) - before) / 1_000,
  }
  await replica.close()
  return result
}
