import type { Clock, Hash } from '@weft/core'
import type { Logger } from 'pino'
import type { PeerLimits } from '../base/limits.js'
import type { PeerMetrics } from '../base/peer-metrics.js'
import type { Rates } from '../base/rates.js'
import type { LiveGrants } from '../tokens/live-grants.js'
import type { SessionSigner } from '../tokens/session-tokens.js'
import type { TokenVerifier } from '../tokens/token.js'
import type { Turns } from '../turns/turns.js'
import type { Contexts } from '../tenants/contexts.js'

/** What the connections of a peer share. */
export interface ConnectionHost {
  readonly contexts: Contexts
  readonly verify: TokenVerifier
  readonly grants: LiveGrants
  readonly sessions: SessionSigner
  readonly limits: PeerLimits
  readonly metrics: PeerMetrics
  readonly clock: Clock
  readonly hash: Hash
  readonly log: Logger
  readonly turns: Turns
  readonly rates: Rates
}
