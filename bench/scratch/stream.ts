import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ServerProcess } from '../peer/server-process.js'
import { type Client, openClient } from '../peer/clients.js'
import { Watcher } from './watcher.js'

export const TOKENS = 2_000
const TOKEN = 'token '

export interface Streamed {
  /** Microseconds a token, from the first written until a watcher has the last. */
  readonly usPerToken: number
  readonly serverCpuUs: number
  /** Of the worker and the watcher together. */
  readonly clientCpuUs: number
}

/** One step that writes token by token, each in a turn and a message of its own, while a stock client watches. */
export async function stream(server: ServerProcess, workflow: string): Promise<Streamed> {
  const client = await openClient(server.url, workflow)
  const streamed = await streamOne(server, client)
  await client.replica.close()
  return streamed
}

async function streamOne(server: ServerProcess, { context }: Client): Promise<Streamed> {
  const { value } = await context.step('stream', async step => {
    const watcher = await Watcher.of(await step.scratch.share())
    const cpuUs = await server.cpuUs()
    const own = process.cpuUsage()
    const started = performance.now()
    const draft = step.scratch.text('draft')
    for (let i = 0; i < TOKENS; i++) {
      draft.insert(draft.length, TOKEN)
      await nextTurn()
    }
    await watcher.has(TOKENS * TOKEN.length)
    const us = (performance.now() - started) * 1_000
    const { user, system } = process.cpuUsage(own)
    const serverCpuUs = ((await server.cpuUs()) - cpuUs) / TOKENS
    watcher.close()
    return { usPerToken: us / TOKENS, serverCpuUs, clientCpuUs: (user + system) / TOKENS }
  })
  return value
}
