import { type Clock, checkWorkflow } from '@weft/core'
import { type ScratchLimits, ScratchRelay } from '@weft/scratch'
import type { Logger } from 'pino'
import type { PeerMetrics } from '../base/peer-metrics.js'
import type { LiveGrants } from '../tokens/live-grants.js'
import { checkReader } from '../tokens/rights.js'
import type { TokenVerifier } from '../tokens/token.js'

export interface ScratchDoorHost {
  readonly verify: TokenVerifier
  readonly metrics: PeerMetrics
  readonly clock: Clock
  readonly grants: LiveGrants
  readonly log: Logger
}

/** The relay of shared scratches, behind the tokens of this peer. An address may hold a token: none is ever logged. */
export function scratchDoor(
  { verify, metrics, clock, grants, log }: ScratchDoorHost,
  limits: Partial<ScratchLimits>,
): ScratchRelay {
  return new ScratchRelay(
    {
      admit: async (token, workflow) => {
        const grant = await verify(token)
        checkWorkflow(workflow)
        checkReader(grant, workflow)
        const { tenant, scopes } = grant
        return { tenant, mayWrite: scopes.includes('write'), hold: end => grants.hold(grant, end) }
      },
      clock,
      failed: ({ code }, tenant) => {
        metrics.failed(1, { code })
        log.info({ tenant, code }, 'scratch connection ended')
      },
    },
    limits,
  )
}
