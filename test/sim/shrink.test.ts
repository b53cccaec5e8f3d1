import { type Fault, type PlayOptions, type PlayResult, shrink } from '@weft/testkit'
import { describe, expect, it } from 'vitest'

const FAULTS: readonly Fault[] = Array.from({ length: 12 }, (_, index) => ({
  index,
  kind: 'cut',
  at_ms: index * 10,
}))

/** A world that breaks a law at its 700th step if the faults 3 and 7 are in it, and another one if 5 is left out. */
async function play({ seed, steps, skip = new Set() }: PlayOptions): Promise<PlayResult> {
  const faults = FAULTS.filter(({ index }) => !skip.has(index))
  const isBroken = steps >= 700 && !skip.has(3) && !skip.has(7)
  const law = skip.has(5) ? 'ORD-1' : 'DUR-1'
  return {
    seed,
    steps: isBroken ? 700 : steps,
    brokenAt: isBroken ? 700 : undefined,
    virtual_ms: 1,
    hash: '',
    violations: isBroken ? [{ checker: 'durability', law, message: 'lost' }] : [],
    faults,
    trace: [],
  }
}

describe('shrink', () => {
  it('comes down to the steps and the faults without which the law would hold', async () => {
    const options = { seed: 1, steps: 2_000 }
    const smallest = await shrink({ options, result: await play(options) }, play)
    expect(smallest.options.steps).toBe(700)
    // Without the fifth another law would be broken: that is another failure.
    expect(smallest.result.faults.map(({ index }) => index)).toEqual([3, 5, 7])
    expect(smallest.result.violations[0]!.law).toBe('DUR-1')
    expect((await play(smallest.options)).violations).toEqual(smallest.result.violations)
  })

  it('looks for fewer steps where a law is broken only in the end', async () => {
    const late = async (options: PlayOptions): Promise<PlayResult> => {
      const result = await play({ ...options, steps: options.steps + 500 })
      return { ...result, brokenAt: undefined }
    }
    const options = { seed: 1, steps: 2_000 }
    const smallest = await shrink({ options, result: await late(options) }, late)
    expect(smallest.options.steps).toBeLessThan(260)
    expect(smallest.options.steps).toBeGreaterThanOrEqual(200)
  })
})
