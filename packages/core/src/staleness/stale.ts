import type { BranchName, ChangeId, EntryId } from '../base/ids.js'

/** STL-3: whether the write came after what it made stale, knowing it, or beside it, each unknown to the other. */
export type StaleKind = 'superseded' | 'stale-read'

/** What made something stale: a write to something that it was derived from. */
export interface StaleCause {
  readonly kind: StaleKind
  readonly change: ChangeId
  /** What was written, and what of it had been read; of a summary `branch:<name>`, where its range lies. */
  readonly wrote: string
  readonly read: string
}

/** So many causes are told of one entry: of a busy ref there are as many as it has writes, for each of its readers. */
export const CAUSES_TOLD_MAX = 64

/** One entry, or a change without entries, that was derived from something written since. */
export interface Stale {
  readonly change: ChangeId
  /** Undefined for a change that holds no entries. */
  readonly entry: EntryId | undefined
  readonly branch: BranchName
  /** In the order of the changes that wrote: the first 64 of them. */
  readonly causes: readonly StaleCause[]
  /** How many more causes there are. */
  readonly causesLeftOut: number
  /** Stale entries that it was derived from (STL-4). */
  readonly via: readonly EntryId[]
}

/** What was derived from a ref, transitively (STL-6), in order. */
export interface BlastRadius {
  readonly entries: readonly EntryId[]
  readonly changes: readonly ChangeId[]
  readonly branches: readonly BranchName[]
}
