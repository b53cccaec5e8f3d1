import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RawClient } from './fairness/raw-client.js'
import { inFrames, offlineWork } from './fairness/offers.js'
import { quantile } from './measure.js'
import { ServerProcess } from './peer/server-process.js'
import type { Row, Section } from './report.js'

const IDLE = 2_000
const IDLE_BYTES_MAX = 25_000
const STALLED = 1_000
const STALLED_MB_MAX = 64
const MB = 2 ** 20
const LOG_BYTES = 4_000_000
const CHANGES_PER_FRAME = 500
/** Connections that are made at once. */
const AT_ONCE = 50
const TENANT = 'many'

/** By how much the server grew, bytes. */
interface Added {
  readonly held: number
  readonly resident: number
}

interface Round {
  readonly idle: Added
  readonly stalled: Added
}

type Scene = (server: ServerProcess, look: () => Promise<number>) => Promise<number>

/** The claim: who is connected and does nothing costs next to nothing, and who does not read no more. */
export async function connections(rounds: number): Promise<Section[]> {
  const done: Round[] = []
  // One more, which warms up and is dropped.
  for (let i = 0; i <= rounds; i++) done.push(await measure())
  return [section(done.slice(1))]
}

async function measure(): Promise<Round> {
  return { idle: await addedBy(idle), stalled: await addedBy(stalled) }
}

/** In a fresh process each: memory that was once taken is seldom given back, and a snapshot of the heap takes some. */
async function addedBy(scene: Scene): Promise<Added> {
  return {
    held: await withServer(server => scene(server, async () => (await server.memory()).heldBytes)),
    resident: await withServer(server => scene(server, async () => (await server.collected()).residentBytes)),
  }
}

async function withServer(use: (server: ServerProcess) => Promise<number>): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'))
    const added = await use(server)
    await server.stop()
    return added
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Each is welcomed and follows a context, which has a change. */
const idle: Scene = async (server, look) => {
  const [offer] = inFrames(offlineWork(1), 1)
  const open = async (index: number): Promise<RawClient> => {
    const client = await RawClient.follow(server.url, TENANT, `idle-${index % 100}`)
    if (index < 100) await client.offer([offer!], offer!.bytes, new AbortController().signal)
    return client
  }
  const first = await many(100, open)
  const before = await look()
  const clients = await many(IDLE, open)
  const after = await look()
  await Promise.all([...first, ...clients].map(client => client.close()))
  return after - before
}

/** Each follows a log of some MB, reads nothing off its socket, and more is written. */
const stalled: Scene = async (server, look) => {
  const work = inFrames(offlineWork(LOG_BYTES), CHANGES_PER_FRAME)
  const half = work.length / 2
  const { signal } = new AbortController()
  const writer = await RawClient.follow(server.url, TENANT, 'log')
  await writer.offer(work.slice(0, half), LOG_BYTES, signal)
  const before = await look()
  const readers = await many(STALLED, async () => {
    const reader = await RawClient.follow(server.url, TENANT, 'log')
    reader.stall()
    return reader
  })
  await writer.offer(work.slice(half), LOG_BYTES, signal)
  const after = await look()
  await Promise.all([writer, ...readers].map(client => client.close()))
  return after - before
}

async function many(count: number, open: (index: number) => Promise<RawClient>): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < count) {
    const next = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, (_, index) =>
      open(clients.length + index),
    )
    clients.push(...(await Promise.all(next)))
  }
  return clients
}

function section(rounds: readonly Round[]): Section {
  const median = (value: (round: Round) => number): number => quantile(rounds.map(value), 0.5)
  const each: Row = {
    title: `each of ${IDLE.toLocaleString('en')} idle connections, a context open`,
    unit: 'KB',
    values: {
      held: median(({ idle: { held } }) => held / IDLE / 1_000),
      resident: median(({ idle: { resident } }) => resident / IDLE / 1_000),
    },
  }
  const all: Row = {
    title: `${STALLED.toLocaleString('en')} readers that take nothing off their sockets, together`,
    unit: 'MB',
    values: {
      held: median(round => round.stalled.held / MB),
      resident: median(round => round.stalled.resident / MB),
    },
  }
  const bar = (text: string, value: number, most: number): Row['bar'] => ({ text, met: value <= most })
  return {
    title: 'Memory of the peer’s process that connections add',
    columns: ['held', 'resident'],
    rows: [
      { ...each, bar: bar('resident ≤ 25 KB', each.values.resident! * 1_000, IDLE_BYTES_MAX)! },
      { ...all, bar: bar('held ≤ 64 MB', all.values.held!, STALLED_MB_MAX)! },
    ],
    notes: [
      'held: what is still referred to, of the heap and of buffers beside it',
      'resident: of the process after its garbage was collected, with what the allocator keeps of what has passed through',
      `the stalled follow a log of ${LOG_BYTES / 1e6} MB, half of which is written while they do not read`,
      `server and clients in two processes, the server’s a new one each time; medians of ${rounds.length} rounds`,
    ],
  }
}
