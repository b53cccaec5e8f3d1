import { setTimeout as sleep } from 'node:timers/promises'
import type { Mistake } from './mistake.js'
import type { Workload } from './workload.js'

/**
 * What came of one way. A way that throws, or does not end, has shown nothing: neither a silent failure nor a promise
 * that holds.
 */
export interface Shown {
  readonly verdict: 'corrupted' | 'holds' | 'failed'
  readonly says: string
  /** What it came to, as its check saw it; null when it failed. */
  readonly outcome: unknown
}

export interface ShownMistake {
  readonly number: number
  readonly title: string
  readonly usual: string
  readonly cure: string
  readonly laws: readonly string[]
  readonly naive: Shown
  readonly weft: Shown
  /** It is corrupted without Weft, and holds with it. */
  readonly ok: boolean
}

export interface Report {
  readonly traces: string
  readonly workflow: string
  readonly mistakes: readonly ShownMistake[]
  readonly ok: boolean
}

export interface RunOptions {
  /** How long a way may take. Default: 30 s. */
  readonly patience_ms?: number
  readonly onShown?: (shown: ShownMistake) => void
}

/** Shows the mistakes one after the other, each on the whole workload. */
export async function run(
  mistakes: readonly Mistake[],
  workload: Workload,
  traces: string,
  { patience_ms = 30_000, onShown = () => {} }: RunOptions = {},
): Promise<Report> {
  const shown: ShownMistake[] = []
  for (const [index, mistake] of mistakes.entries()) {
    const each = await show(mistake, index + 1, workload, patience_ms)
    onShown(each)
    shown.push(each)
  }
  const ok = shown.length > 0 && shown.every(each => each.ok)
  return { traces, workflow: workload.workflow, mistakes: shown, ok }
}

async function show(
  mistake: Mistake,
  number: number,
  workload: Workload,
  patience_ms: number,
): Promise<ShownMistake> {
  const { title, usual, cure, laws } = mistake
  const naive = await attempt(mistake, () => mistake.naive(workload), patience_ms)
  const weft = await attempt(mistake, () => mistake.weft(workload), patience_ms)
  const ok = naive.verdict === 'corrupted' && weft.verdict === 'holds'
  return { number, title, usual, cure, laws, naive, weft, ok }
}

async function attempt(mistake: Mistake, way: () => Promise<unknown>, patience_ms: number): Promise<Shown> {
  const enough = new AbortController()
  try {
    const outcome = await Promise.race([way(), late(patience_ms, enough.signal)])
    const { corrupted, says } = mistake.check(outcome)
    return { verdict: corrupted ? 'corrupted' : 'holds', says, outcome }
  } catch (error) {
    return { verdict: 'failed', says: reasonOf(error), outcome: null }
  } finally {
    enough.abort()
  }
}

async function late(ms: number, signal: AbortSignal): Promise<never> {
  await sleep(ms, undefined, { signal })
  throw new Error(`it did not end within ${ms} ms`)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
