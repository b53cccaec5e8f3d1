import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CrowdProcess } from './fairness/crowd-process.js'
import type { Kind } from './fairness/messages.js'
import { steadyAcks } from './fairness/victim.js'
import { quantile } from './measure.js'
import { ServerProcess } from './peer/server-process.js'
import type { Row, Section } from './report.js'

const MEASURE_MS = 8_000
const REST_MS = 1_000
const RATIO_MAX = 2
/** So that who catches up finds its log closed. */
const IDLE_MS = 300

const UNDER: Readonly<Record<Kind, string>> = {
  flood: 'while another tenant floods: 32 connections, a change a frame',
  bulk: 'while another tenant’s one worker flushes 100 MB',
  'catch-up': 'while another tenant’s reader has the peer open and send 100 MB',
}

interface Round {
  readonly alone: readonly number[]
  readonly under: Readonly<Record<Kind, readonly number[]>>
  /** Changes a second that the crowd got through. */
  readonly crowd: Readonly<Record<Kind, number>>
}

/** The claim: what one tenant does, another one's acknowledgements do not wait for. */
export async function fairness(rounds: number): Promise<Section[]> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const server = await ServerProcess.start(join(directory, 'data'), { idle_ms: IDLE_MS })
    const crowd = await CrowdProcess.start(server.url)
    const done: Round[] = []
    // One more, which warms up and is dropped.
    for (let i = 0; i <= rounds; i++) done.push(await measure(server.url, crowd, i))
    await crowd.exit()
    await server.stop()
    return [section(done.slice(1))]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function measure(url: string, crowd: CrowdProcess, index: number): Promise<Round> {
  const ended = new AbortController()
  setTimeout(() => ended.abort(), MEASURE_MS)
  const alone = await steadyAcks(url, `alone-${index}`, ended.signal)
  const flood = await beside(url, crowd, 'flood', `flood-${index}`)
  const bulk = await beside(url, crowd, 'bulk', `bulk-${index}`)
  const catchUp = await beside(url, crowd, 'catch-up', `bulk-${index}`)
  return {
    alone,
    under: { flood: flood.acks, bulk: bulk.acks, 'catch-up': catchUp.acks },
    crowd: { flood: flood.perSecond, bulk: bulk.perSecond, 'catch-up': catchUp.perSecond },
  }
}

/** A flush is measured to its end, everything else for some seconds. */
async function beside(url: string, crowd: CrowdProcess, kind: Kind, workflow: string) {
  const ended = new AbortController()
  const { over } = await crowd.begin(kind, workflow)
  void over.then(() => ended.abort())
  if (kind !== 'bulk') setTimeout(() => ended.abort(), MEASURE_MS)
  const acks = await steadyAcks(url, `beside-${kind}-${workflow}`, ended.signal)
  crowd.stop()
  const { changes, seconds } = await over
  await new Promise(resolve => void setTimeout(resolve, REST_MS))
  return { acks, perSecond: changes / seconds }
}

function section(rounds: readonly Round[]): Section {
  const over = (samples: (round: Round) => readonly number[], share: number): number =>
    quantile(
      rounds.map(round => quantile(samples(round), share)),
      0.5,
    )
  const row = (title: string, samples: (round: Round) => readonly number[]): Row => ({
    title,
    unit: 'ms',
    values: { p50: over(samples, 0.5), p99: over(samples, 0.99), max: over(samples, 1) },
  })
  const alone = row('alone', round => round.alone)
  const besides = (Object.keys(UNDER) as Kind[]).map((kind): Row => {
    const beside = row(UNDER[kind], round => round.under[kind])
    const ratio = quantile(
      rounds.map(round => quantile(round.under[kind], 0.99) / quantile(round.alone, 0.99)),
      0.5,
    )
    const values = { ...beside.values, 'p99 ÷ alone': ratio }
    return { ...beside, values, bar: { text: `p99 ≤ ${RATIO_MAX} × alone`, met: ratio <= RATIO_MAX } }
  })
  const flows = (Object.keys(UNDER) as Kind[]).map(
    (kind): Row => ({
      title: `the other tenant’s changes: ${kind}`,
      unit: '1/s',
      values: {
        p50: quantile(
          rounds.map(round => round.crowd[kind]),
          0.5,
        ),
      },
    }),
  )
  return {
    title: 'Fairness: one writer of one tenant, a change every 2 ms, from write to durable acknowledgement',
    columns: ['p50', 'p99', 'max', 'p99 ÷ alone'],
    rows: [alone, ...besides, ...flows],
    notes: [
      'peer, victim and crowd are three processes; the crowd’s runs when no other wants to, and sends frames that were made before',
      `medians over ${rounds.length} rounds of each round’s quantiles`,
    ],
  }
}
