import { checkWorkflow, WeftError } from '@weft/core'
import { matchesWorkflow, type TokenGrant } from './token.js'

/** Whether a token lets its bearer read a workflow. @throws WEFT_ID_INVALID · WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN */
export function checkMayRead({ scopes, workflows }: TokenGrant, workflow: string): void {
  checkWorkflow(workflow)
  if (!scopes.includes('read')) {
    throw new WeftError('WEFT_SCOPE', 'the token does not allow to read', 'use a token with the scope "read"')
  }
  if (matchesWorkflow(workflows, workflow)) return
  throw new WeftError(
    'WEFT_WORKFLOW_FORBIDDEN',
    `the token is not for workflow ${workflow}`,
    `use a token whose pattern covers it; this one is for ${workflows}`,
  )
}
