import {
  type AgentId,
  type ContextDefinition,
  checkReceiver,
  formatAddress,
  type Handoff,
  type Json,
  readHandoff,
  sealHandoff,
  WeftError,
} from '@weft/core'
import { nodeHost } from '../base/node-host.js'
import type { WaitOptions } from '../base/waiting.js'
import type { LeaseOptions } from './lease.js'

export interface HandoffOptions extends WaitOptions {
  /** JSON that the next worker is to have beside the context. */
  readonly carry?: Json
}

export interface ResumeOptions extends WaitOptions {
  /** Who goes on; default: the agent that handed over. */
  readonly agent?: AgentId
  /** Go on as the only one who may write to the branch (HND-3). */
  readonly lease?: LeaseOptions | true
}

/** A context that was resumed, and what was carried over to it. */
export interface Resumed<OpenedContext> {
  readonly context: OpenedContext
  readonly carried: Json
  /** The handoff, checked. */
  readonly handoff: Handoff
}

/** What a handle says of itself when it hands over. */
export interface HandingOver {
  readonly tenant: string
  readonly workflow: string
  readonly agent: AgentId
  readonly branch: string
  readonly definition: { readonly name: string; readonly version: number }
}

export function makeHandoff(
  { tenant, workflow, agent, branch, definition }: HandingOver,
  session: { readonly token: string; readonly position: number },
  heads: readonly string[],
  { overlays, epoch }: Pick<Handoff, 'overlays' | 'epoch'>,
  carry: Json = null,
): Handoff {
  return sealHandoff(
    {
      address: formatAddress({ tenant, workflow, agent, position: session.position }),
      branch,
      heads,
      schema: { name: definition.name, version: definition.version },
      session: session.token,
      overlays,
      epoch,
      carried: carry,
    },
    nodeHost.hash,
  )
}

/**
 * Checks all of a handoff that can be checked before its context is open (HND-1, HND-2).
 * @throws WEFT_HANDOFF_INVALID · WEFT_HANDOFF_FOREIGN · WEFT_SCHEMA_UNKNOWN
 */
export function checkHandoff(
  value: Handoff | string,
  tenant: string | undefined,
  definition: Pick<ContextDefinition, 'name' | 'version'>,
): ReturnType<typeof readHandoff> {
  const handoff = readHandoff(value, nodeHost.hash)
  checkReceiver(handoff.from, tenant)
  const { name, version } = handoff.schema
  if (name === definition.name && version <= definition.version) return handoff
  throw new WeftError(
    'WEFT_SCHEMA_UNKNOWN',
    `the handoff is of ${name}@${version}, and this worker knows ${definition.name}@${definition.version}`,
    'resume it on a worker that runs this version or a later one of the same definition',
    { name, version, known: { name: definition.name, version: definition.version } },
  )
}
