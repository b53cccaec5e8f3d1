import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Added, CONTEXTS, ENTRIES_EACH, memoryOfContexts } from './catch-up/memory.js'
import { CHANGES_EACH, type Convergence, convergence, WORKERS } from './catch-up/offline.js'
import { ENTRIES, fill, type Opening, opening } from './catch-up/opening.js'
import { quantile } from './measure.js'
import { ServerProcess } from './peer/server-process.js'
import type { Row, Section } from './report.js'

/** So that a context that nobody uses is closed at once, and the next one opens it from disk. */
const IDLE_MS = 100
const LONG = 'long'

interface Round {
  readonly offline: Convergence
  readonly opened: Opening
}

/** The claim: whoever was away has all of it again before it is missed. */
export async function catchUp(rounds: number): Promise<Section[]> {
  const done: Round[] = []
  await withServer(async server => {
    await fill(server.url, LONG)
    // One more, which warms up and is dropped.
    for (let i = 0; i <= rounds; i++) {
      done.push({
        offline: await convergence(server, `offline-${i}`),
        opened: await opening(server, LONG),
      })
    }
  })
  const added = await withServer(memoryOfContexts)
  const counted = done.slice(1)
  return [
    offlineSection(counted.map(({ offline }) => offline)),
    openingSection(counted.map(({ opened }) => opened)),
    memorySection(added),
  ]
}

async function withServer<T>(use: (server: ServerProcess) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'), { idle_ms: IDLE_MS })
    const result = await use(server)
    await server.stop()
    return result
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function offlineSection(rounds: readonly Convergence[]): Section {
  const row = rowOf(rounds)
  return {
    title: `${WORKERS} workers write ${CHANGES_EACH} changes each to one context while offline, and sync`,
    columns: ['median'],
    rows: [
      row('until all have all', 'ms', ({ ms }) => ms),
      row('the core alone takes in as many, as often', 'ms', ({ coreMs }) => coreMs),
      row('workers’ CPU of a change that one takes in', 'us', ({ clientCpuUs }) => clientCpuUs),
      row('server CPU of a change that one takes in', 'us', ({ serverCpuUs }) => serverCpuUs),
    ],
    notes: [
      'one entry of 300 bytes in a change; all workers in one process, the server in another',
      'all is on disk, fsynced, before another one has it',
      `medians of ${rounds.length} rounds; the digests of all workers were compared in each`,
    ],
  }
}

function openingSection(rounds: readonly Opening[]): Section {
  const row = rowOf(rounds)
  return {
    title: `A worker that has nothing opens a context of ${ENTRIES.toLocaleString('en')} entries that nobody has open`,
    columns: ['median'],
    rows: [
      row('connected, and all of it is here', 'ms', ({ openMs }) => openMs),
      row('and its entries are read', 'ms', ({ readMs }) => readMs),
      row('server CPU of that', 'ms', ({ serverCpuMs }) => serverCpuMs),
    ],
    notes: ['the server reads and verifies the whole log first, for its graph and its seal'],
  }
}

function memorySection({ heldKb, residentKb }: Added): Section {
  return {
    title: 'Memory of the peer’s process that open contexts add',
    columns: ['held', 'resident'],
    rows: [
      {
        title: `each of ${CONTEXTS} contexts of ${ENTRIES_EACH} entries, with a connection`,
        unit: 'KB',
        values: { held: heldKb, resident: residentKb },
      },
    ],
    notes: [
      'held: what is still referred to, of the heap and of buffers beside it, the last entries among it',
      'resident: what the process has grown by, garbage among it',
    ],
  }
}

function rowOf<Sample>(
  samples: readonly Sample[],
): (title: string, unit: string, value: (sample: Sample) => number) => Row {
  return (title, unit, value) => ({ title, unit, values: { median: quantile(samples.map(value), 0.5) } })
}
