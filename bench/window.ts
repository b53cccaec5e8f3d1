import { BranchWriter, ChangeSet, defineContext, resolveOptions, Staleness, Windows } from '@weft/core'
import { o200k } from '@weft/replica'
import { Dice } from './dice.js'
import { host } from './host.js'
import { quantile, timed } from './measure.js'
import type { Row, Section } from './report.js'

const ENTRIES = 100_000
const IN_WINDOW = 200
const ENTRY_BYTES = 300
const WINDOW_MS_MAX = 5
const APPENDS_PER_ROUND = 50
const anything = {
  '~standard': { version: 1, vendor: 'bench', validate: (value: unknown) => ({ value }) },
} as const
const definition = defineContext({ name: 'talk', version: 1, entries: { message: anything } })

const WORDS =
  'the customer asks whether a flight from Boston can be moved to the second of May without paying a fee and we found that her booking allows one change when it is made before noon so I will look up which seats are left'.split(
    ' ',
  )

/** A message of 300 bytes, of words, as tokenizers are made for. */
function spoken(dice: Dice) {
  const role = dice.below(2) === 0 ? 'user' : 'assistant'
  let content = ''
  while (content.length < ENTRY_BYTES) content += `${WORDS[dice.below(WORDS.length)]} `
  return { role, content: content.slice(0, ENTRY_BYTES - JSON.stringify({ role, content: '' }).length) }
}

interface Measured {
  readonly budget: number
  readonly loading: number
  readonly indexing: number
  readonly again: number[]
  readonly grown: number[]
  /** Entries in each window. */
  readonly sizes: number[]
}

/** The claim: what a model is to see of a context of 100,000 entries is there within milliseconds, after each change. */
export function window(rounds: number): Section[] {
  const { budget, loading, indexing, again, grown, sizes } = measure(rounds * APPENDS_PER_ROUND)
  const row = (title: string, samples: readonly number[]): Row => ({
    title,
    unit: 'ms',
    values: { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) },
  })
  const after = row('after one more entry', grown)
  return [
    {
      title: `A window of ${ENTRIES.toLocaleString('en')} entries of 300 bytes, ${budget.toLocaleString('en')} tokens`,
      columns: ['p50', 'p99'],
      rows: [
        row('load the vocabulary, once a process', [loading]),
        row('index the context, once a handle', [indexing]),
        row('the same window again', again),
        { ...after, bar: { text: `p50 ≤ ${WINDOW_MS_MAX} ms`, met: after.values.p50! <= WINDOW_MS_MAX } },
      ],
      notes: [
        `the window holds ${quantile(sizes, 0)} to ${quantile(sizes, 1)} entries: the oldest go in blocks`,
        'warm: the view, the index of its units, and the tokens of entries that were in a window before',
        `over ${grown.length} windows; each is chosen, rendered, serialised and hashed anew`,
      ],
    },
  ]
}

function measure(appends: number): Measured {
  const dice = new Dice(7)
  const set = new ChangeSet(host.hash)
  const writer = new BranchWriter(set, host, 'main', 'agent')
  const append = (): void => void writer.write({ entries: [{ kind: 'message', value: spoken(dice) }] })
  for (let i = 0; i < ENTRIES; i++) append()
  const view = set.view('main')
  const windows = new Windows(set, view, new Staleness(set, view), definition.render, host.hash)
  const make = () => windows.make(resolveOptions({ budget, count: o200k }, definition), o200k)
  const loading = timed(() => o200k.count('load the vocabulary')).ms
  let budget = 1_000
  const indexing = timed(make).ms
  // Until the window holds about as many as the claim says.
  for (budget = 10_000; make().included.length < IN_WINDOW; ) budget += 100
  const measured: Measured = { budget, loading, indexing, again: [], grown: [], sizes: [] }
  for (let i = 0; i < appends; i++) {
    measured.again.push(timed(make).ms)
    append()
    const { ms, made } = timed(make)
    measured.grown.push(ms)
    measured.sizes.push(made.included.length)
  }
  return measured
}
