import { hash as sha } from 'node:crypto'
import { type Host, hashFromLatin1 } from '@weft/core'
import fc from 'fast-check'
import { expect } from 'vitest'

export const SEED = Number(process.env.WEFT_SEED ?? 20_261_122)

/**
 * Checks that a law holds for every generated value. The seed is fixed, so that a failure is the same on every
 * machine; set WEFT_SEED to look elsewhere.
 */
export function holds<T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void, numRuns = 150): void {
  const property = fc.property(arbitrary, value => {
    law(value)
  })
  fc.assert(property, { numRuns, seed: SEED })
}

/** As `holds`, of a law that takes its time. */
export async function holdsAsync<T>(
  arbitrary: fc.Arbitrary<T>,
  law: (value: T) => Promise<void>,
  numRuns: number,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, law), { numRuns, seed: SEED })
}

/**
 * As `make`, asked once for each plan. Laws that are checked on one arbitrary, by one seed, are given the same plans; what
 * is made of one must be what no law alters.
 */
export function madeOnce<Plan, Made>(make: (plan: Plan) => Made): (plan: Plan) => Made {
  const made = new Map<string, Made>()
  return plan => {
    const key = JSON.stringify(plan)
    const known = made.get(key) ?? make(plan)
    made.set(key, known)
    return known
  }
}

/**
 * Checks that something came up more than so often, without which a test proves nothing. Of a random history it is the seed
 * that says how often, so this is asked of the fixed one alone: another would fail now and then where nothing is wrong.
 */
export function comesUp(count: number, moreThan: number, what?: string): void {
  if (process.env.WEFT_SEED === undefined) expect(count, what).toBeGreaterThan(moreThan)
}

export const sha256 = hashFromLatin1(bytes => sha('sha256', bytes, 'binary'))

export function hexSha256(bytes: Uint8Array): string {
  return sha('sha256', bytes, 'hex')
}

/** Numbers in [0, below), the same for the same seed (mulberry32). */
export type Dice = (below: number) => number

export function seededDice(seed: number): Dice {
  let state = seed | 0
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A host whose salts, actors and clock follow from a seed. */
export function seededHost(seed: number): Host {
  const dice = seededDice(seed)
  let time = 1_700_000_000_000
  return {
    hash: sha256,
    random: (target, at, length) => {
      for (let i = at; i < at + length; i++) target[i] = dice(256)
    },
    now: () => time++,
  }
}

export function shuffled<T>(items: readonly T[], dice: Dice): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = dice(i + 1)
    const held = copy[i]!
    copy[i] = copy[j]!
    copy[j] = held
  }
  return copy
}

/** One of `items`, chosen by any natural number: so that a shrunk plan still means something. */
export function pick<T>(items: readonly T[], number: number): T {
  return items[number % items.length]!
}

/** Those of `items` whose bit is set in `bits`. */
export function pickSome<T>(items: readonly T[], bits: number): T[] {
  return items.filter((_, index) => (bits >>> index) & 1)
}
