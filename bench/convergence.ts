import { automerge } from './convergence/automerge.js'
import { branchAfterBranch, type Contender, inTurn } from './convergence/contender.js'
import { longContext } from './convergence/long-context.js'
import { weft } from './convergence/weft.js'
import { BRANCHES, CHANGES, CHANGES_PER_BRANCH, type Workload, workload } from './convergence/workload.js'
import { wholeStates, yjs } from './convergence/yjs.js'
import { Samples, timed } from './measure.js'
import type { Row, Section } from './report.js'

const CONTENDERS: readonly Contender[] = [yjs, automerge, weft]
/** Automerge is an order of magnitude slower: it sits out most rounds. */
const AUTOMERGE_SHARE = 5
const RATIO_MAX = 0.5
const RAW_STATES = 'merge, Yjs given one whole state a branch'

/** The claim: replicas that wrote apart come together at half of what raw Yjs takes, order included. */
export function convergence(rounds: number): Section[] {
  return [race(false, rounds), race(true, rounds), longContext(rounds)]
}

function race(withState: boolean, rounds: number): Section {
  const work = workload(withState)
  const samples = new Samples()
  const states = wholeStates(work)
  const round = (contenders: readonly Contender[]): void => {
    for (const contender of contenders) runOne(contender, work, withState, samples)
    samples.add(RAW_STATES, yjs.name, timed(() => yjs.merge(states)).ms)
  }
  const fast = CONTENDERS.filter(contender => contender !== automerge)
  round(fast)
  samples.clear()
  for (let i = 0; i < rounds; i++) round(i % AUTOMERGE_SHARE === 0 ? CONTENDERS : fast)
  return {
    title: `${BRANCHES} branches × ${CHANGES_PER_BRANCH} changes of one 300-byte entry${withState ? ', a state edit in every tenth' : ''}`,
    columns: CONTENDERS.map(({ name }) => name),
    rows: rows(samples, withState),
    notes: [
      'ratio is Weft by Yjs; every merge is given the same single-change messages, in one batch',
      `medians of ${rounds} rounds (Automerge: ${Math.ceil(rounds / AUTOMERGE_SHARE)}), contenders taking turns`,
    ],
  }
}

function runOne(contender: Contender, work: Workload, withState: boolean, samples: Samples): void {
  const { name } = contender
  const writers = contender.prepare(work)
  const appending = timed(() => writers.append())
  samples.add('local append', name, (appending.ms * 1_000) / CHANGES)
  const sorted = branchAfterBranch(writers)
  const messages = inTurn(writers)
  writers.free()
  samples.add('merge sorted', name, timed(() => contender.merge(sorted)).ms)
  const merging = timed(() => contender.merge(messages))
  samples.add('merge', name, merging.ms)
  if (withState) {
    const reading = timed(() => merging.made.readState())
    samples.add('merge and read the state', name, merging.ms + reading.ms)
  }
  const saving = timed(() => merging.made.save())
  samples.add('encode', name, saving.ms)
  samples.add('size', name, saving.made.length / 1_024)
  const loading = timed(() => contender.load(saving.made))
  samples.add('load', name, loading.ms)
  if (merging.made.length !== CHANGES || loading.made.length !== CHANGES) {
    throw new Error(`${name} lost entries: ${merging.made.length} merged, ${loading.made.length} loaded`)
  }
}

function rows(samples: Samples, withState: boolean): Row[] {
  const row = (key: string, title: string, unit: string, barred = false): Row => {
    const values = Object.fromEntries(CONTENDERS.map(({ name }) => [name, samples.median(key, name)]))
    return { title, unit, values, ...compared(values[weft.name], values[yjs.name], barred) }
  }
  const merge = row(
    'merge',
    `merge of ${CHANGES.toLocaleString('en')} changes, all branches in turn`,
    'ms',
    true,
  )
  const whole = samples.median(RAW_STATES, yjs.name)
  return [
    row('local append', 'local append of one change', 'us', true),
    merge,
    row('merge sorted', 'the same, one branch after the other', 'ms', true),
    {
      title: RAW_STATES,
      unit: 'ms',
      values: { ...merge.values, [yjs.name]: whole, [automerge.name]: undefined },
      ...compared(merge.values[weft.name], whole, false),
    },
    ...(withState ? [row('merge and read the state', 'merge and read the state', 'ms')] : []),
    row('encode', 'encode all', 'ms'),
    row('size', 'size of that', 'KiB'),
    row('load', 'cold load to readable entries', 'ms'),
  ]
}

function compared(
  ours: number | undefined,
  theirs: number | undefined,
  barred: boolean,
): Pick<Row, 'ratio' | 'bar'> {
  if (ours === undefined || theirs === undefined) return {}
  const ratio = ours / theirs
  return { ratio, ...(barred && { bar: { text: `≤ ${RATIO_MAX} ×`, met: ratio <= RATIO_MAX } }) }
}
