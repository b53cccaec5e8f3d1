import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signToken } from '@weft/peer'
import { connect, defineContext, type Replica } from '@weft/replica'
import { quantile } from './measure.js'
import { SECRET, TENANT } from './peer/messages.js'
import { ServerProcess } from './peer/server-process.js'
import type { Row, Section } from './report.js'

const WORKERS = 200
const PUBLISHES = 20
const STEPS = 2_000
const BARRIER_MS_MAX = 50
/** The first barrier also waits for whoever was there before the peer began. */
const FIRST_MS_MAX = 30_000
const VALUE = { prompt: 'be brief; '.repeat(200), flags: { tools: true } }

const Bench = defineContext({ name: 'overlay-bench', version: 1, entries: {} })

/** The claim: everybody is under new instructions before anybody could notice, and no step pays for it. */
export async function overlay(rounds: number): Promise<Section[]> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'))
    const publisher = await replica(server.url, false)
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => replica(server.url, true)))
    await publisher.overlays.publish('house', VALUE, { barrier: true, timeout_ms: FIRST_MS_MAX })
    const plain: number[] = []
    const barriers: number[] = []
    // One more, which warms up and is dropped.
    for (let round = 0; round <= rounds; round++) {
      const timed = await publishes(publisher)
      if (round > 0) {
        plain.push(...timed.plain)
        barriers.push(...timed.barriers)
      }
    }
    const starts = [await stepStarts(publisher), await stepStarts(workers[0]!)]
    await Promise.all([publisher, ...workers].map(each => each.close({ discard: true })))
    await server.stop()
    return [publishSection(plain, barriers), stepSection(starts[0]!, starts[1]!)]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function replica(url: string, overlays: boolean): Promise<Replica> {
  const request = { tenant: TENANT, scopes: ['read', 'write', 'admin'], lifetime: 3_600 } as const
  const connected = await connect({ url, token: await signToken(SECRET, request), client: 'bench', overlays })
  await connected.overlays.list()
  return connected
}

/** Milliseconds of each; what the last one still had under way is over before the next kind begins. */
async function publishes(publisher: Replica) {
  const timed = async (barrier: boolean): Promise<number[]> => {
    const samples: number[] = []
    for (let index = 0; index < PUBLISHES; index++) {
      const started = performance.now()
      await publisher.overlays.publish('house', VALUE, { barrier })
      samples.push(performance.now() - started)
    }
    return samples
  }
  const plain = await timed(false)
  await publisher.overlays.publish('house', VALUE, { barrier: true })
  return { plain, barriers: await timed(true) }
}

/** Microseconds of a step that does nothing. */
async function stepStarts(worker: Replica): Promise<number[]> {
  const context = await worker.open(Bench, { workflow: 'steps', agent: 'worker' })
  const samples: number[] = []
  for (let turn = 0; turn < STEPS; turn++) {
    const started = performance.now()
    await context.step('look', () => {})
    samples.push((performance.now() - started) * 1_000)
  }
  return samples
}

function publishSection(plain: readonly number[], barriers: readonly number[]): Section {
  const row = (title: string, samples: readonly number[]): Row => ({
    title,
    unit: 'ms',
    values: { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) },
  })
  const barrier = row('with a barrier: no step begins or commits without it', barriers)
  const met = barrier.values.p50! <= BARRIER_MS_MAX
  return {
    title: `Publishing an overlay of 2 KB to ${WORKERS} connected workers`,
    columns: ['p50', 'p99'],
    rows: [
      row('durable, in force at the peer', plain),
      { ...barrier, bar: { text: `p50 ≤ ${BARRIER_MS_MAX} ms`, met } },
    ],
    notes: ['the peer in one process, the publisher and all workers in another, each with its connection'],
  }
}

function stepSection(free: readonly number[], held: readonly number[]): Section {
  const row = (title: string, samples: readonly number[]): Row => ({
    title,
    unit: 'us',
    values: { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) },
  })
  return {
    title: 'A step that does nothing',
    columns: ['p50', 'p99'],
    rows: [row('on a replica without overlays', free), row('under the overlays in force', held)],
    notes: ['no message is sent: a test counts them'],
  }
}
