import { parseArgs } from 'node:util'
import { catchUp } from './catch-up.js'
import { connections } from './connections.js'
import { convergence } from './convergence.js'
import { encryption } from './encryption.js'
import { fairness } from './fairness.js'
import { overlay } from './overlay.js'
import { peer } from './peer.js'
import { scratch } from './scratch.js'
import { makeReport, printReport, type Section, writeJson } from './report.js'
import { step } from './step.js'
import { window } from './window.js'

interface Claim {
  readonly rounds: number
  readonly measure: (rounds: number) => Section[] | Promise<Section[]>
}

const CLAIMS = new Map<string, Claim>([
  ['convergence', { rounds: 15, measure: convergence }],
  ['peer', { rounds: 5, measure: peer }],
  ['catch-up', { rounds: 9, measure: catchUp }],
  ['step', { rounds: 45, measure: step }],
  ['window', { rounds: 5, measure: window }],
  ['scratch', { rounds: 15, measure: scratch }],
  ['overlay', { rounds: 5, measure: overlay }],
  ['fairness', { rounds: 3, measure: fairness }],
  ['connections', { rounds: 3, measure: connections }],
  ['encryption', { rounds: 9, measure: encryption }],
])

/** `npm run bench -- CLAIM`: measures one claim and says which bars it keeps. */
const HELP = `npm run bench -- CLAIM [--rounds N] [--json FILE]

  convergence   raw Yjs, raw Automerge and Weft's core side by side: append, merge, encode, load; flattening
  peer          a durable peer and its clients in two processes: acknowledgement, visibility, throughput, CPU
  catch-up      workers that were offline, and one that opens a long context: until they have all; what a context takes
  step          a step beside a write of the same; invalidating what was derived; the blast radius of a ref
  window        what a model is to see of 100,000 entries, after each change
  scratch       a shared scratch with a stock client that watches: a token end to end, and what 10,000 steps leave behind
  encryption    a store with and without encryption at rest: append, read, open, bytes on disk
  overlay       publishing to 200 connected workers, with and without a barrier; the check before a step
  fairness      one tenant's acknowledgements alone, and beside another one's flood, flush of 100 MB, and catching up
  connections   what idle connections, and readers that do not read, add to the peer's memory

  --rounds N    rounds that count (${[...CLAIMS].map(([name, { rounds }]) => `${name}: ${rounds}`).join(', ')})
  --json FILE   also writes the results to FILE, with what is known of the machine
  --help        this text

All seeds are fixed. Figures are medians over the rounds of one run: compare within a run, not across machines.`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, rounds: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const [name = '', ...rest] = positionals
  const claim = CLAIMS.get(name)
  const rounds = Number(values.rounds ?? claim?.rounds)
  if (claim === undefined || rest.length > 0 || !Number.isSafeInteger(rounds) || rounds < 1) {
    console.error(HELP)
    return 2
  }
  const report = makeReport(name, await claim.measure(rounds))
  printReport(report)
  if (values.json !== undefined) writeJson(values.json, report)
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error)
  return 1
})
