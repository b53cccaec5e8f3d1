import type { Clock, Hash, Random, WeftError } from '@weft/core'
import type { PageCache } from '../base/page-cache.js'
import type { WriteShares } from '../turns/write-shares.js'
import type { StateTrial } from '../trials/state-trial.js'

/** What a log is opened with. */
export interface ContextLogHost {
  readonly hash: Hash
  readonly random: Random
  readonly clock: Clock
  /** When the peer began, ms since 1970 UTC. */
  readonly started_ms: number
  readonly trial: StateTrial
  /** Resolves when it is a tenant's turn to have this much done for it (turns.ts). */
  readonly turn: (tenant: string, cost: number) => Promise<void>
  readonly shares: WriteShares
  readonly pages: PageCache
  /** Of a branch before its heads are joined. */
  readonly branch_heads_max: number
}

export interface ContextHooks {
  /** Does what writes so many changes. */
  writing<T>(changes: number, work: () => Promise<T>): Promise<T>
  /** The store rejected a write: what became of it is unknown (DUR-3). */
  failed(error: unknown): void
  /** A context is damaged on disk: it is quarantined (DUR-4). */
  damaged(tenant: string, workflow: string, error: WeftError): void
  /** The log of a context has grown. */
  advanced(tenant: string, workflow: string): void
  /** Nobody has used a context for a while, and it is let go of. */
  letGo(tenant: string, workflow: string): void
}
