import type { ServerProcess } from '../peer/server-process.js'
import { type Client, openClient } from '../peer/clients.js'

export const STEPS = 10_000
const WARM_UP = 1_000
const AT_ONCE = 8
const DRAFT = 'a draft that nobody will ever need again. '.repeat(50)
const MB = 2 ** 20

export interface Soaked {
  /** What the server holds more than before, MB. */
  readonly heldMb: number
  readonly residentMb: number
  readonly stepsPerSecond: number
}

/** Steps that share a scratch, write to it, and end, one after the other in a few lanes. */
export async function soak(server: ServerProcess, workflow: string): Promise<Soaked> {
  const client = await openClient(server.url, workflow)
  await steps(client, WARM_UP)
  const before = await server.memory()
  const started = performance.now()
  await steps(client, STEPS)
  const seconds = (performance.now() - started) / 1_000
  await emptied(server)
  const after = await server.memory()
  await client.replica.close()
  return {
    heldMb: (after.heldBytes - before.heldBytes) / MB,
    residentMb: (after.residentBytes - before.residentBytes) / MB,
    stepsPerSecond: STEPS / seconds,
  }
}

async function steps({ context }: Client, count: number): Promise<void> {
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      await context.step('draft', async step => {
        step.scratch.text('draft').insert(0, DRAFT)
        await step.scratch.share()
        step.scratch.text('draft').insert(0, 'once more: ')
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

/** The last steps' connections are still being closed when the steps are over. */
async function emptied(server: ServerProcess): Promise<void> {
  while ((await server.metric('weft_scratch_connections')) > 0) {}
}
