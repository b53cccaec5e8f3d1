import {
  checkAnyWorkflow,
  checkSubscription,
  type Header,
  isEngineWorkflow,
  subscriptionOf,
  WeftError,
  type WorkflowId,
} from '@weft/core'
import { matchesWorkflow, type TokenGrant } from './token.js'

/**
 * Whether a token allows to follow a workflow. The engine's own are of the whole tenant: whoever may read any workflow
 * of it may read what it has to obey there.
 * @throws WEFT_ID_INVALID · WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN
 */
export function checkReader(grant: TokenGrant, workflow: WorkflowId): void {
  checkAnyWorkflow(workflow)
  if (!grant.scopes.includes('read'))
    throw new WeftError('WEFT_SCOPE', 'the token does not allow to read', 'use a token with the scope "read"')
  checkPattern(grant, workflow)
}

/** Whether a token is about a workflow at all; the engine's own are. */
export function isAbout({ workflows }: TokenGrant, workflow: WorkflowId): boolean {
  return isEngineWorkflow(workflow) || matchesWorkflow(workflows, workflow)
}

/** @throws WEFT_WORKFLOW_FORBIDDEN */
export function checkPattern(grant: TokenGrant, workflow: WorkflowId): void {
  if (isAbout(grant, workflow)) return
  const { workflows } = grant
  throw new WeftError(
    'WEFT_WORKFLOW_FORBIDDEN',
    `the token is not for workflow ${workflow}`,
    `use a token whose pattern covers it; this one is for ${workflows}`,
  )
}

/**
 * Whether a token that has the scope may also write to a workflow that it follows: what is in the engine's own binds
 * all workflows of the tenant, so it takes a token for all of them.
 * @throws WEFT_WORKFLOW_FORBIDDEN
 */
export function checkWriter({ workflows }: TokenGrant, workflow: WorkflowId): void {
  if (!isEngineWorkflow(workflow) || workflows === EVERY) return
  throw new WeftError(
    'WEFT_WORKFLOW_FORBIDDEN',
    `the token is for ${workflows}, and what is written to ${workflow} binds every workflow`,
    'use a token with the scope "admin" for all workflows: *',
  )
}

/**
 * Whether a tenant may write a change that is new: how far a webhook of the operator is only the peer says. Of history that
 * is offered again its marks are part.
 * @throws WEFT_ID_INVALID
 */
export function checkClaims({ writes }: Header): void {
  for (const ref of writes) {
    const subscription = subscriptionOf(ref)
    if (subscription !== undefined) checkSubscription(subscription)
  }
}

/** @throws WEFT_SCOPE */
export function checkAdmin({ scopes }: TokenGrant): void {
  if (scopes.includes('admin')) return
  throw new WeftError(
    'WEFT_SCOPE',
    'the token does not allow to administer',
    'use a token with the scope "admin"',
  )
}

const EVERY = '*'
