import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantile } from './measure.js'
import { type Floor, fsyncFloor } from './peer/floor.js'
import { acknowledgements, visibilities } from './peer/latency.js'
import { ServerProcess } from './peer/server-process.js'
import { CHANGES_PER_WRITER, type Throughput, throughput, WINDOW, WRITERS } from './peer/throughput.js'
import type { Row, Section } from './report.js'

const ACK_MS_MAX = 1
const CHANGES_PER_SECOND_MIN = 15_000

interface Round {
  readonly floor: Floor
  readonly acks: readonly number[]
  readonly seen: readonly number[]
  readonly flow: Throughput
}

/** The claim: a change is on disk, fsynced, and seen elsewhere, at the speed of a relay that only carries it. */
export async function peer(rounds: number): Promise<Section[]> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'))
    const done: Round[] = []
    // One more, which warms up and is dropped.
    for (let i = 0; i <= rounds; i++) done.push(await measure(server, directory, i))
    await server.stop()
    const counted = done.slice(1)
    return [latencySection(counted), flowSection(counted)]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function measure(server: ServerProcess, directory: string, index: number): Promise<Round> {
  return {
    floor: await fsyncFloor(join(directory, `round-${index}`)),
    acks: await acknowledgements(server.url, `ack-${index}`),
    seen: await visibilities(server.url, `seen-${index}`),
    flow: await throughput(server, `flow-${index}`),
  }
}

function latencySection(rounds: readonly Round[]): Section {
  const row = (title: string, samples: readonly number[]): Row => ({
    title,
    unit: 'ms',
    values: { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) },
  })
  const acks = row(
    'write → durable, acknowledged',
    rounds.flatMap(round => round.acks),
  )
  return {
    title: 'Latency: one writer, one change of one 300-byte entry after the other',
    columns: ['p50', 'p99'],
    rows: [
      row(
        'floor: LevelDB alone, one record, fsynced',
        rounds.flatMap(({ floor }) => floor.single),
      ),
      { ...acks, bar: { text: `p50 ≤ ${ACK_MS_MAX} ms`, met: acks.values.p50! <= ACK_MS_MAX } },
      row(
        'write → seen on another replica, durable',
        rounds.flatMap(({ seen }) => seen),
      ),
    ],
    notes: ['server and clients in two processes; figures over all writes of all rounds'],
  }
}

function flowSection(rounds: readonly Round[]): Section {
  const row = (title: string, unit: string, value: (round: Round) => number): Row => ({
    title,
    unit,
    values: { median: quantile(rounds.map(value), 0.5) },
  })
  const flow = row('durable changes', '1/s', round => round.flow.changesPerSecond)
  const met = flow.values.median! >= CHANGES_PER_SECOND_MIN
  return {
    title: `Throughput: ${WRITERS} writers on ${WRITERS} contexts, ${CHANGES_PER_WRITER.toLocaleString('en')} changes each`,
    columns: ['median'],
    rows: [
      row('floor: LevelDB alone, batches of 64, fsynced', '1/s', ({ floor }) => floor.batchedPerSecond),
      { ...flow, bar: { text: `≥ ${CHANGES_PER_SECOND_MIN.toLocaleString('en')} /s`, met } },
      row('server CPU of a change', 'us', round => round.flow.serverCpuUs),
      row('client CPU of a change', 'us', round => round.flow.clientCpuUs),
      row('changes in a frame to the server', '', round => round.flow.changesPerFrame),
    ],
    notes: [
      `each writer has its own connection and up to ${WINDOW} changes on the way`,
      `medians of ${rounds.length} rounds`,
    ],
  }
}
