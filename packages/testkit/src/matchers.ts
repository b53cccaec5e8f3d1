import type { SimulationRun } from './simulate.js'

interface Verdict {
  readonly pass: boolean
  message(): string
}

/** A matcher that looks at what some of the checkers have found. */
function keeping(promise: string, checkers: readonly string[]): (run: SimulationRun) => Verdict {
  return run => {
    const found = run.violations.filter(({ checker }) => checkers.includes(checker))
    return {
      pass: found.length === 0,
      message: () =>
        found.length === 0
          ? `seed ${run.seed} breaks nothing of it: ${promise}`
          : [
              `seed ${run.seed} breaks it: ${promise}`,
              ...found.map(({ law, message }) => `  [${law}] ${message}`),
            ].join('\n'),
    }
  }
}

/** For `expect.extend`; `@weft/testkit/vitest` does that, types included. */
export const matchers = {
  toConverge: keeping('in the end all replicas hold one set, and equal sets look alike', [
    'convergence',
    'world',
  ]),
  toKeepEveryAck: keeping('what was acknowledged is never lost', ['durability']),
  toSeeOwnWrites: keeping('a session is shown what it wrote and saw, wherever its token is taken', [
    'sessions',
  ]),
  toBeCausal: keeping('nothing comes before what it depends on', ['causality']),
}
