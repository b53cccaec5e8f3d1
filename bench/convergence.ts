import { longContext } from './convergence/long-context.js'
import { Runner } from './convergence/runner.js'
import { BRANCHES, CHANGES, CHANGES_PER_BRANCH } from './convergence/workload.js'
import { Samples } from './measure.js'
import type { Row, Section } from './report.js'

const [YJS, AUTOMERGE, WEFT] = ['Yjs', 'Automerge', 'Weft'] as const
/** Automerge is an order of magnitude slower: it sits out most rounds. */
const AUTOMERGE_SHARE = 5
const RATIO_MAX = 0.5

/** The claim: replicas that wrote apart come together at half of what raw Yjs takes, order included. */
export async function convergence(rounds: number): Promise<Section[]> {
  return [await race(false, rounds), await race(true, rounds), longContext(rounds)]
}

async function race(withState: boolean, rounds: number): Promise<Section> {
  const samples = new Samples()
  const runners = [YJS, AUTOMERGE, WEFT].map(name => new Runner(name, withState))
  const round = async (without?: string): Promise<void> => {
    for (const runner of runners) {
      if (runner.name === without) continue
      const taken = await runner.round()
      for (const [row, value] of Object.entries(taken)) samples.add(row, runner.name, value)
    }
  }
  try {
    await round(AUTOMERGE)
    samples.clear()
    for (let i = 0; i < rounds; i++) await round(i % AUTOMERGE_SHARE === 0 ? undefined : AUTOMERGE)
  } finally {
    for (const runner of runners) runner.stop()
  }
  return {
    title: `${BRANCHES} branches × ${CHANGES_PER_BRANCH} changes of one 300-byte entry${withState ? ', a state edit in every tenth' : ''}`,
    columns: [YJS, AUTOMERGE, WEFT],
    rows: rows(samples, withState),
    notes: [
      'ratio is Weft by Yjs; every merge is given the same single-change messages, in one batch',
      'CPU is that of all threads: what others compile and collect meanwhile, where there are processors to spare, is no part of ms',
      `medians of ${rounds} rounds (Automerge: ${Math.ceil(rounds / AUTOMERGE_SHARE)}), contenders taking turns, each in a process of its own`,
    ],
  }
}

function rows(samples: Samples, withState: boolean): Row[] {
  const row = (key: string, title: string, unit: string, barred = false): Row => {
    const values = Object.fromEntries(
      [YJS, AUTOMERGE, WEFT].map(name => [name, samples.median(key, name)] as const),
    )
    return { title, unit, values, ...compared(values[WEFT], values[YJS], barred) }
  }
  const merge = row(
    'merge',
    `merge of ${CHANGES.toLocaleString('en')} changes, all branches in turn`,
    'ms',
    true,
  )
  const states = samples.median('mergeStates', YJS)
  return [
    row('append', 'local append of one change', 'us', true),
    merge,
    row('mergeCpu', 'CPU of that', 'ms'),
    row('mergeSorted', 'the same, one branch after the other', 'ms', true),
    {
      title: 'merge, Yjs given one whole state a branch',
      unit: 'ms',
      values: { ...merge.values, [YJS]: states, [AUTOMERGE]: undefined },
      ...compared(merge.values[WEFT], states, false),
    },
    ...(withState ? [row('mergeAndRead', 'merge and read the state', 'ms')] : []),
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
