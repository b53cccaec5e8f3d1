import { type Checker, Court, type Observation } from '@weft/testkit'

/** The laws that a checker finds broken by what was seen, in order. */
export function lawsBroken(checker: Checker, ...seen: readonly Observation[]): string[] {
  const court = new Court([checker])
  for (const observation of seen) court.see(observation)
  return court.violations.map(({ law }) => law)
}
