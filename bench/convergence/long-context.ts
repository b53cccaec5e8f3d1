import { BranchWriter, type Change, ChangeSet, decodeChange, MAIN_BRANCH } from '@weft/core'
import { Dice, type Message, message } from '../dice.js'
import { host } from '../host.js'
import { quantile, timed } from '../measure.js'
import type { Row, Section } from '../report.js'

const ENTRIES = 100_000
const BRANCHES = 64
const ADDS = 2_000
const VALUES = 256
const SEED = 20_250_102
const FLATTEN_MS_MAX = 50
const ADD_US_MAX = 20

interface LongContext {
  /** Deps first; the last `ADDS` of them are to be added one by one. */
  readonly changes: readonly Change[]
}

/** Writes at random branches in turn, as 64 workers do at once. */
function makeContext(): LongContext {
  const dice = new Dice(SEED)
  const values: Message[] = Array.from({ length: VALUES }, () => message(dice))
  const set = new ChangeSet(host.hash)
  const names = Array.from({ length: BRANCHES }, (_, index) => `attempt-${index}`)
  const changes = [new BranchWriter(set, host, MAIN_BRANCH, 'supervisor').fork(names)]
  const writers = names.map(name => new BranchWriter(set, host, name, 'worker'))
  for (let i = 0; i < ENTRIES + ADDS; i++) {
    const entries = [{ kind: 'message', value: values[dice.below(VALUES)]! }]
    changes.push(writers[dice.below(BRANCHES)]!.write({ entries })!)
  }
  for (const writer of writers) writer.state.free()
  return { changes: changes.map(change => decodeChange(change.bytes, host.hash)) }
}

/** Flattening a long context from nothing, and finding the place of one more change in it (ORD-3). */
export function longContext(rounds: number): Section {
  const { changes } = makeContext()
  const set = new ChangeSet(host.hash)
  const building = timed(() => {
    for (const change of changes.slice(0, -ADDS)) set.add(change)
  })
  const flattening = Array.from({ length: rounds + 1 }, () => timed(() => flattenAnew(set)).ms).slice(1)
  const adding = addOneByOne(set, changes.slice(-ADDS))
  checkOrder(set)
  return {
    title: `${ENTRIES.toLocaleString('en')} entries of ${BRANCHES} branches`,
    columns: ['Weft'],
    rows: [
      { title: 'adding all to an empty set', unit: 'ms', values: { Weft: building.ms } },
      atMost('flattening from nothing', 'ms', quantile(flattening, 0.5), FLATTEN_MS_MAX),
      atMost('adding one and finding its place, median', 'us', quantile(adding, 0.5), ADD_US_MAX),
      {
        title: 'adding one and finding its place, p99',
        unit: 'us',
        values: { Weft: quantile(adding, 0.99) },
      },
    ],
    notes: [`${ADDS.toLocaleString('en')} changes were added at random branches, each decoded before`],
  }
}

function flattenAnew(set: ChangeSet): number {
  return set.viewAt(set.dag.heads).flatten().length
}

function addOneByOne(set: ChangeSet, changes: readonly Change[]): number[] {
  const everything = set.everything()
  everything.flatten()
  return changes.map(change => {
    const started = performance.now()
    const node = set.add(change)
    everything.placeOf(node)
    return (performance.now() - started) * 1_000
  })
}

/** What was placed one by one must be what flattening anew gives. */
function checkOrder(set: ChangeSet): void {
  const anew = [...set.viewAt(set.dag.heads).flatten()]
  const kept = [...set.everything().flatten()]
  if (kept.length !== anew.length || kept.some((node, index) => node !== anew[index])) {
    throw new Error('placing changes one by one gave another order than flattening')
  }
}

function atMost(title: string, unit: string, value: number, max: number): Row {
  return { title, unit, values: { Weft: value }, bar: { text: `≤ ${max} ${unit}`, met: value <= max } }
}
