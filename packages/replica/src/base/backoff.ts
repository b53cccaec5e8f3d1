const FIRST_MS = 50
const LONGEST_MS = 5_000

/**
 * How long to wait before the `attempt`-th try (from 0), in ms: doubling, capped, and all of it random, so that
 * workers cut off together do not come back together.
 * "Full jitter": M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param random from 0 to 1
 */
export function backoff(attempt: number, random: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16)) * random
}
