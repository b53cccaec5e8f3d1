import type { Workload } from './workload.js'

/** What a check makes of an outcome: whether the context was corrupted, and what was seen, in one sentence. */
export interface Verdict {
  readonly corrupted: boolean
  readonly says: string
}

/**
 * One way of losing context, shown twice on the same workload with the same interleaving. Both ways come to the same
 * shape of outcome, plain JSON, and one check judges both: it does not know which way it is looking at.
 */
export interface Mistake<Outcome = unknown> {
  readonly title: string
  /** The usual way, and Weft's, each in one sentence. */
  readonly usual: string
  readonly cure: string
  /** The laws of the model that close this hole. */
  readonly laws: readonly string[]
  /** On a shared store. Throws nothing: that is the trouble. */
  naive(workload: Workload): Promise<Outcome>
  /** On replicas of a peer that is started for it. */
  weft(workload: Workload): Promise<Outcome>
  check(outcome: Outcome): Verdict
}
