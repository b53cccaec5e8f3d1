import { entries, openClient } from '../peer/clients.js'
import type { ServerProcess } from '../peer/server-process.js'

export const CONTEXTS = 200
export const ENTRIES_EACH = 100

export interface Added {
  readonly heldKb: number
  readonly residentKb: number
}

/** By how much each open context makes the peer's process grow, its worker's connection among it. */
export async function memoryOfContexts(server: ServerProcess): Promise<Added> {
  const values = entries()
  const warm = await openClient(server.url, 'first')
  warm.context.append('message', values[0]!)
  await warm.context.flush()
  const before = await server.memory()
  const clients = [warm]
  while (clients.length <= CONTEXTS) {
    const client = await openClient(server.url, `context-${clients.length}`)
    for (const value of values.slice(0, ENTRIES_EACH)) client.context.append('message', value)
    await client.context.flush()
    clients.push(client)
  }
  const after = await server.memory()
  await Promise.all(clients.map(({ replica }) => replica.close()))
  const each = (bytes: number): number => bytes / CONTEXTS / 1_000
  return {
    heldKb: each(after.heldBytes - before.heldBytes),
    residentKb: each(after.residentBytes - before.residentBytes),
  }
}
