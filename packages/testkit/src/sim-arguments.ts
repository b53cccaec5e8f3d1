import { parseArgs } from 'node:util'
import { FAULTS, type FaultKind, ROLLBACK } from './faults.js'
import type { PlayOptions } from './random-play.js'

export interface SimArguments {
  /** Of the first world; `skip` counts for it alone. */
  readonly play: PlayOptions
  readonly seeds: number
  /** Whether every world is run a second time, to see whether the hashes agree. */
  readonly twice: boolean
  /** Whether a failure is told as it is, without looking for a smaller one. */
  readonly unshrunk: boolean
}

export const HELP = `Simulates a peer and its workers under faults, and checks the laws of Weft as it goes.

  npm run sim -- [options]

  --seed S      the first seed (default 1)
  --seeds K     so many seeds, from S on (default 1)
  --steps N     what happens in each before everything is mended and judged (default 2000)
  --faults LIST what may go wrong, by commas: ${FAULTS.slice(0, 8).join(', ')},
                ${FAULTS.slice(8).join(', ')}; or all of these (the default), or none;
                or with ${ROLLBACK}, under which only what holds through that is done
  --rates       tenants may write only so fast: what they push waits, what they propose is refused and offered again
  --skip LIST   numbers of faults that are left out: a shrunk failure names them
  --twice       run every seed twice, and compare the hashes of all that happened
  --unshrunk    tell a failure as it is, without looking for a smaller one
  --trace       print all that happened
  --help

A failure prints what it breaks, is shrunk, and ends with the command that plays it again.`

/** @throws TypeError that says what is wrong with the arguments; undefined when help was asked for */
export function readArguments(args: readonly string[]): SimArguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      steps: { type: 'string', default: '2000' },
      faults: { type: 'string', default: 'all' },
      rates: { type: 'boolean', default: false },
      skip: { type: 'string', default: '' },
      twice: { type: 'boolean', default: false },
      unshrunk: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    play: {
      seed: count('--seed', values.seed, 0),
      steps: count('--steps', values.steps, 1),
      faults: faultsIn(values.faults),
      skip: new Set(list(values.skip).map(text => count('--skip', text, 0))),
      rates: values.rates,
      keepTrace: values.trace,
    },
    seeds: count('--seeds', values.seeds, 1),
    twice: values.twice,
    unshrunk: values.unshrunk,
  }
}

/** What is typed to play a world again. */
export function commandOf({ seed, steps, faults = FAULTS, skip = new Set(), rates }: PlayOptions): string {
  const isAll = faults.length === FAULTS.length && FAULTS.every(kind => faults.includes(kind))
  const named = isAll ? '' : ` --faults ${faults.length === 0 ? 'none' : faults.join(',')}`
  const left = skip.size === 0 ? '' : ` --skip ${[...skip].sort((a, b) => a - b).join(',')}`
  return `npm run sim -- --seed ${seed} --steps ${steps}${rates ? ' --rates' : ''}${named}${left}`
}

function faultsIn(text: string): readonly FaultKind[] {
  if (text === 'all') return FAULTS
  if (text === 'none') return []
  const unknown = list(text).find(name => ![...FAULTS, ROLLBACK].includes(name as FaultKind))
  if (unknown !== undefined) throw new TypeError(`--faults: there is no fault ${JSON.stringify(unknown)}`)
  return list(text) as FaultKind[]
}

function list(text: string): string[] {
  return text.split(',').filter(item => item !== '')
}

function count(option: string, text: string, least: number): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= least) return number
  throw new TypeError(`${option}: ${JSON.stringify(text)} is not a whole number from ${least} on`)
}
