import { FAULTS } from './faults.js'
import type { PlayOptions, PlayResult } from './random-play.js'

/** A run that breaks a law, and the options that make it again. */
export interface Failure {
  readonly options: PlayOptions
  readonly result: PlayResult
}

const RUNS_MAX = 80

/**
 * Looks for a smaller run that breaks the same law: fewer steps, then fewer faults, then clocks without skew. Which
 * faults are left out changes nothing about the others, for each is rolled from its own number.
 * @param play runs a world; its options are all that it depends on
 */
export async function shrink(
  failure: Failure,
  play: (options: PlayOptions) => Promise<PlayResult>,
): Promise<Failure> {
  let smallest = failure
  let runs = 0
  const isSmaller = async (change: Partial<PlayOptions>): Promise<boolean> => {
    if (++runs > RUNS_MAX) return false
    const options = { ...smallest.options, ...change }
    const result = await play(options)
    if (result.violations[0]?.law !== failure.result.violations[0]?.law) return false
    smallest = {
      options: { ...options, steps: Math.min(options.steps, result.brokenAt ?? options.steps) },
      result,
    }
    return true
  }

  await fewerSteps(() => smallest, isSmaller)
  await fewerFaults(() => smallest, isSmaller)
  const { faults = FAULTS } = smallest.options
  if (faults.includes('skew')) await isSmaller({ faults: faults.filter(kind => kind !== 'skew') })
  await fewerSteps(() => smallest, isSmaller)
  return smallest
}

type Attempt = (change: Partial<PlayOptions>) => Promise<boolean>

/** What breaks only once everything is mended may have been broken long before. */
async function fewerSteps(smallest: () => Failure, isSmaller: Attempt): Promise<void> {
  const { brokenAt } = smallest().result
  if (brokenAt !== undefined && brokenAt < smallest().options.steps) await isSmaller({ steps: brokenAt })
  for (let share = 2; share <= 32; ) {
    const { steps } = smallest().options
    const fewer = Math.floor(steps - steps / share)
    if (fewer < steps && (await isSmaller({ steps: fewer }))) continue
    share *= 2
  }
}

/** Leaves out halves of those that happened, then quarters, down to single ones. */
async function fewerFaults(smallest: () => Failure, isSmaller: Attempt): Promise<void> {
  for (let size = Math.ceil(smallest().result.faults.length / 2); size >= 1; size = Math.floor(size / 2)) {
    const indexes = smallest().result.faults.map(({ index }) => index)
    for (let at = 0; at < indexes.length; at += size) {
      const { skip = new Set<number>() } = smallest().options
      await isSmaller({ skip: new Set([...skip, ...indexes.slice(at, at + size)]) })
    }
  }
}
