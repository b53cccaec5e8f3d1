import type { Clock, Hash } from '@weft/core'
import type { Logger } from 'pino'
import type { Contexts } from './contexts.js'
import type { PeerLimits } from './limits.js'
import type { LiveGrants } from './live-grants.js'
import type { PeerMetrics } from './peer-metrics.js'
import type { Rates } from './rates.js'
import type { SessionSigner } from './session-tokens.js'
import type { TokenVerifier } from './token.js'
import type { Turns } from './turns.js'

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
