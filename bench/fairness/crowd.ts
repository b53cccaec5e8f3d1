import { getPriority, setPriority } from 'node:os'
import { WIRE_LIMITS } from '@weft/protocol'
import { CROWD, type Order, type Report } from './messages.js'
import { inFrames, offlineWork } from './offers.js'
import { RawClient } from './raw-client.js'

/** The process of another tenant's clients. It yields the machine to everybody else, also where there is no `chrt`. */
setPriority(Math.min(19, getPriority() + 19))

const BULK_BYTES = 100_000_000
const FLOODERS = 32
const FLOOD_BYTES = 4_000_000
const FLOOD_WINDOW_BYTES = 131_072
/** Longer than a context that nobody uses stays open here: who catches up has the peer open it. */
const COLD_MS = 600

const work = offlineWork(BULK_BYTES)
const bulk = inFrames(work, WIRE_LIMITS.changes_per_frame_max)
const singles = inFrames(work.slice(0, Math.floor((work.length * FLOOD_BYTES) / BULK_BYTES)), 1)

let stopped = new AbortController()
let clients: RawClient[] = []

process.on('message', (order: Order) => void obey(order))
process.on('disconnect', () => process.exit())
report('ready', 0, 0)

async function obey(order: Order): Promise<void> {
  if (order.do === 'exit') return process.disconnect()
  if (order.do === 'stop') {
    stopped.abort()
    for (const client of clients) client.stop()
    return
  }
  stopped = new AbortController()
  const connections = order.do === 'flood' ? FLOODERS : order.do === 'bulk' ? 1 : 0
  clients = await Promise.all(
    Array.from({ length: connections }, (_, index) => follow(order, `${order.workflow}-${index}`)),
  )
  const started = performance.now()
  report('begun', 0, 0)
  const changes = order.do === 'catch-up' ? await catchUp(order) : await push(order)
  const seconds = (performance.now() - started) / 1_000
  await Promise.all(clients.map(client => client.close()))
  report('over', changes, seconds)
}

async function push(order: Order): Promise<number> {
  const { signal } = stopped
  const [offers, window] =
    order.do === 'flood' ? [singles, FLOOD_WINDOW_BYTES] : [bulk, WIRE_LIMITS.push_bytes_max]
  await Promise.all(clients.map(client => client.offer(offers, window, signal)))
  return clients.reduce((sum, { changes }) => sum + changes, 0)
}

/** Reads the whole log that was written in bulk, again and again, each time as the first to open it. */
async function catchUp(order: Order): Promise<number> {
  const { signal } = stopped
  let changes = 0
  while (!signal.aborted) {
    const client = await follow(order, `${order.workflow}-0`)
    clients = [client]
    await client.read(work.length, signal)
    changes += client.changes
    await client.close()
    await new Promise(resolve => void setTimeout(resolve, COLD_MS))
  }
  return changes
}

function follow({ url }: Order, workflow: string): Promise<RawClient> {
  return RawClient.follow(url, CROWD, workflow)
}

function report(is: Report['is'], changes: number, seconds: number): void {
  process.send!({ is, changes, seconds } satisfies Report)
}
