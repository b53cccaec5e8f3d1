import { checkWorkflow, type Clock, WeftError } from '@weft/core'
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

/** @throws WEFT_SCOPE */
export function checkMayAdminister({ scopes }: TokenGrant): void {
  if (scopes.includes('admin')) return
  throw new WeftError(
    'WEFT_SCOPE',
    'the token does not allow to administer',
    'use a token with the scope "admin"',
  )
}

/** Calls `fn` with the error that ends what a token allowed, when it expires; the returned function cancels that. */
export function whenExpired(
  { expires }: TokenGrant,
  clock: Clock,
  fn: (error: WeftError) => void,
): () => void {
  let cancel = (): void => {}
  const wait = (): void => {
    const left_ms = expires * 1000 - clock.now()
    if (left_ms <= 0) fn(expired())
    else cancel = clock.after(Math.min(left_ms, TIMER_MS_MAX), wait)
  }
  wait()
  return () => cancel()
}

/** The longest that a timer of Node waits. */
const TIMER_MS_MAX = 2_147_483_647

function expired(): WeftError {
  return new WeftError('WEFT_TOKEN_EXPIRED', 'the token has expired', 'get a new token and connect again')
}
