import {
  type ChangeId,
  type EraseOptions as CoreOptions,
  type ErasePlan,
  isEngineWorkflow,
  planErasure,
  type Position,
  WeftError,
} from '@weft/core'
import { checkList } from '../base/arguments.js'
import { nodeHost } from '../base/node-host.js'
import type { WaitOptions } from '../base/waiting.js'
import { type ProposalScope, propose } from './proposer.js'

export interface EraseOptions extends CoreOptions, WaitOptions {
  /** Says what would be erased, and what was derived from it; writes nothing. */
  readonly dryRun?: boolean
}

export interface Erasure extends ErasePlan {
  /** The change that erases, and its position in the log; absent when nothing was written. */
  readonly change?: ChangeId
  readonly position?: Position
}

/**
 * Erases the content of changes, for whoever may administer: it is gone here and at the peer when the peer has taken the
 * change that says so. @throws as `planErasure`, WEFT_SCOPE and as `Proposal.offer`
 */
export async function erase(
  scope: ProposalScope,
  targets: readonly string[],
  { dryRun = false, reason, withDerived, ...wait }: EraseOptions,
): Promise<Erasure> {
  const { workflow, set } = scope.context
  if (isEngineWorkflow(workflow)) throw notHere(workflow)
  checkList('what erase was given', targets, 'pass the ids of changes and entries as a list')
  const options = { ...(reason !== undefined && { reason }), ...(withDerived && { withDerived }) }
  const { plan, write } = planErasure(set, targets, options, nodeHost.hash)
  if (dryRun || write === undefined) return plan
  const { change, position } = await propose(scope, write, {}, wait)
  return { ...plan, change, position }
}

function notHere(workflow: string): WeftError {
  return new WeftError(
    'WEFT_ERASE_REFUSED',
    `nothing can be erased in ${workflow}: steps are bound by the exact text of overlays`,
    'publish a version without it; the older text stays in the log of overlays',
    { workflow },
  )
}
