import { quantile } from './measure.js'
import type { Row, Section } from './report.js'
import { DerivedContext, LINEAGES } from './step/derived.js'
import { EDITS_BEFORE, ENTRIES_BEFORE, onNewContext, steps, TURNS, type Turn, writes } from './step/turns.js'

const TURNS_PER_ROUND = 100
/** Turns that do not count. */
const WARM_UP = 3_000
const STEP_US_MAX = 60
const DEPENDENTS = 1_000
const INVALIDATE_MS_MAX = 5
const ENTRIES = 100_000
const BLAST_MS_MAX = 20

/** The claim: knowing what a turn was derived from, and what has become of that, costs an agent nothing it would notice. */
export async function step(rounds: number): Promise<Section[]> {
  return [await stepSection(rounds), invalidation(rounds), blast(rounds)]
}

async function stepSection(rounds: number): Promise<Section> {
  const rows: Row[] = []
  for (const turn of TURNS) rows.push(await besideWrite(turn, rounds))
  return {
    title: `A step beside a write of the same, on a context of ${ENTRIES_BEFORE.toLocaleString('en')} entries and ${EDITS_BEFORE} state edits`,
    columns: ['ctx.write', 'ctx.step', 'more'],
    rows,
    notes: [
      'all CPU time of the process from one turn to the next, without a peer: the wait for durability is in neither',
      'what is read is read by both; a step looks at each entry through a view that records it',
      `medians of ${rounds} rounds of ${TURNS_PER_ROUND} turns, each round on a context of its own`,
    ],
  }
}

async function besideWrite(turn: Turn, rounds: number): Promise<Row> {
  const plain: number[] = []
  const asStep: number[] = []
  await onNewContext(handle => writes(handle, turn, WARM_UP))
  await onNewContext(handle => steps(handle, turn, WARM_UP))
  for (let i = 0; i < rounds; i++) {
    plain.push(await onNewContext(handle => writes(handle, turn, TURNS_PER_ROUND)))
    asStep.push(await onNewContext(handle => steps(handle, turn, TURNS_PER_ROUND)))
  }
  const more = median(asStep) - median(plain)
  return {
    title: turn.title,
    unit: 'us',
    values: { 'ctx.write': median(plain), 'ctx.step': median(asStep), more },
    ...(turn.hasBar && {
      bar: { text: `≤ ${STEP_US_MAX} us more`, met: more <= STEP_US_MAX },
    }),
  }
}

function invalidation(rounds: number): Section {
  const rows = LINEAGES.map(lineage => {
    const samples = Array.from({ length: rounds + 1 }, () =>
      new DerivedContext(lineage, DEPENDENTS, DEPENDENTS).invalidate(),
    )
    return atMost(lineage.title, median(samples.slice(1)), INVALIDATE_MS_MAX)
  })
  return {
    title: `Invalidating ${DEPENDENTS.toLocaleString('en')} dependents`,
    columns: ['median'],
    rows,
    notes: ['from a write until each is told with its causes; a context for each round'],
  }
}

function blast(rounds: number): Section {
  const rows = LINEAGES.flatMap(lineage =>
    [DEPENDENTS, ENTRIES].map(derived => {
      const context = new DerivedContext(lineage, derived, ENTRIES)
      const samples = Array.from({ length: rounds + 1 }, () => context.blastRadius()).slice(1)
      return atMost(`${derived.toLocaleString('en')}: ${lineage.title}`, median(samples), BLAST_MS_MAX)
    }),
  )
  return {
    title: `The blast radius of a ref among ${ENTRIES.toLocaleString('en')} entries`,
    columns: ['median'],
    rows,
    notes: ['entries, changes and branches, in order; by the number of entries that are in it'],
  }
}

function atMost(title: string, value: number, max: number): Row {
  return { title, unit: 'ms', values: { median: value }, bar: { text: `≤ ${max} ms`, met: value <= max } }
}

function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}
