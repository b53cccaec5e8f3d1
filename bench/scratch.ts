import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantile } from './measure.js'
import { ServerProcess } from './peer/server-process.js'
import type { Row, Section } from './report.js'
import { type Soaked, STEPS, soak } from './scratch/soak.js'
import { type Streamed, stream, TOKENS } from './scratch/stream.js'

const TOKEN_US_MAX = 40
const LEFT_MB_MAX = 5

/** The claim: a draft can be watched live at next to no cost, and leaves nothing behind. */
export async function scratch(rounds: number): Promise<Section[]> {
  const done = await withServer(async server => {
    const all: Streamed[] = []
    // One more, which warms up and is dropped.
    for (let i = 0; i <= rounds; i++) all.push(await stream(server, `stream-${i}`))
    return all.slice(1)
  })
  return [streamSection(done), soakSection(await withServer(server => soak(server, 'soak')))]
}

/** A server of its own for each part: what one leaves in caches would be taken for the other's. */
async function withServer<T>(work: (server: ServerProcess) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'))
    const made = await work(server)
    await server.stop()
    return made
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function streamSection(rounds: readonly Streamed[]): Section {
  const row = (title: string, value: (round: Streamed) => number): Row => ({
    title,
    unit: 'us',
    values: { median: quantile(rounds.map(value), 0.5) },
  })
  const endToEnd = row('step → peer → stock client, a token', round => round.usPerToken)
  const met = endToEnd.values.median! <= TOKEN_US_MAX
  return {
    title: `Streaming ${TOKENS.toLocaleString('en')} tokens into a shared scratch, while one watches`,
    columns: ['median'],
    rows: [
      { ...endToEnd, bar: { text: `≤ ${TOKEN_US_MAX} us`, met } },
      row('server CPU of a token', round => round.serverCpuUs),
      row('client CPU of a token, writing and watching', round => round.clientCpuUs),
    ],
    notes: [
      'server in a process of its own, step and watcher in another; each token in a turn and a message of its own',
      `medians of ${rounds.length} rounds`,
    ],
  }
}

function soakSection({ heldMb, residentMb, stepsPerSecond }: Soaked): Section {
  const bar = { text: `≤ ${LEFT_MB_MAX} MB`, met: heldMb <= LEFT_MB_MAX }
  return {
    title: `What ${STEPS.toLocaleString('en')} finished steps with a shared scratch leave at the peer`,
    columns: ['more'],
    rows: [
      { title: 'heap and buffers that are still referred to', unit: 'MB', values: { more: heldMb }, bar },
      { title: 'resident memory', unit: 'MB', values: { more: residentMb } },
      { title: 'steps', unit: '1/s', values: { more: stepsPerSecond } },
    ],
    notes: ['the first 1,000 steps warm up and are not counted'],
  }
}
