import { type Change, ChangeSet, decodeChange } from '@weft/core'
import { host } from '../host.js'
import { type Client, entries, openClient } from '../peer/clients.js'
import type { ServerProcess } from '../peer/server-process.js'

export const WORKERS = 16
export const CHANGES_EACH = 500
const CHANGES = WORKERS * CHANGES_EACH
/** What is taken in from elsewhere, by all workers together. */
const TAKEN_IN = CHANGES * (WORKERS - 1)
const LOOK_MS = 2
const LATE_MS = 60_000

export interface Convergence {
  /** From when they may be sent until everybody has all of them. */
  readonly ms: number
  readonly serverCpuUs: number
  readonly clientCpuUs: number
  /** Of the core alone: as many changes taken in as often, with nothing between. */
  readonly coreMs: number
}

/** Workers that all write to one context before any of it leaves their process, and then are let sync. */
export async function convergence(server: ServerProcess, workflow: string): Promise<Convergence> {
  const clients: Client[] = []
  while (clients.length < WORKERS) clients.push(await openClient(server.url, workflow))
  const serverBefore = await server.cpuUs()
  // Nothing is sent before the turn of the event loop ends in which it was written.
  for (const client of clients) writeAll(client)
  const own = process.cpuUsage()
  const started = performance.now()
  while (!clients.every(({ context }) => context.changes().length === CHANGES)) {
    if (performance.now() - started > LATE_MS) throw new Error(`not all have all within ${LATE_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
  const ms = performance.now() - started
  const { user, system } = process.cpuUsage(own)
  const digests = new Set(clients.map(({ context }) => context.digest()))
  if (digests.size !== 1) throw new Error(`${digests.size} digests of ${WORKERS} replicas`)
  const result = {
    ms,
    serverCpuUs: ((await server.cpuUs()) - serverBefore) / TAKEN_IN,
    clientCpuUs: (user + system) / TAKEN_IN,
    coreMs: coreAlone(clients.map(({ context }) => context.changes())),
  }
  await Promise.all(clients.map(({ replica }) => replica.close()))
  return result
}

function writeAll({ context }: Client): void {
  const values = entries()
  for (let i = 0; i < CHANGES_EACH; i++) context.append('message', values[i % values.length]!)
}

function coreAlone(logs: readonly (readonly Change[])[]): number {
  const started = performance.now()
  for (const log of logs) {
    const set = new ChangeSet(host.hash)
    for (const { bytes } of log) set.add(decodeChange(bytes, host.hash))
  }
  return performance.now() - started
}
