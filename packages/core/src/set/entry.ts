import type { ActorId, AgentId, BranchName, ChangeId, EntryId } from '../base/ids.js'
import type { ManifestRef } from '../change/header.js'
import type { Erased } from '../notes/erasures.js'

export type Tier = 'durable' | 'scratch'

/** One immutable item of a context's log. Frozen. */
export interface Entry<Kind extends string = string, Value = unknown> {
  readonly id: EntryId
  readonly kind: Kind
  /** Null where `erased` says that it is gone, whatever the kind. */
  readonly value: Value
  readonly tier: Tier
  readonly change: ChangeId
  readonly branch: BranchName
  readonly agent: AgentId
  readonly actor: ActorId
  readonly lamport: number
  /** The author's wall clock, ms since 1970 UTC; not an order. */
  readonly time: number
  /** What it was derived from. */
  readonly reads: readonly ManifestRef[]
  /** Present when the content was erased (ERA-1). */
  readonly erased?: Erased
}
