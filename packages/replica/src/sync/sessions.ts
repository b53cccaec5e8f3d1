import { isWeftError, type Position, WeftError, type WorkflowId } from '@weft/core'
import { checkSession } from '../base/credential.js'
import type { WaitOptions } from '../base/waiting.js'
import type { Asked } from './asked.js'
import type { ContextReplica } from './context-replica.js'

/**
 * A token for all that is known here of a context's log.
 * @throws WEFT_SESSION_* · WEFT_NOT_SYNCED · WEFT_ABORTED, and why the peer no longer serves the context
 */
export async function attest(
  asked: Asked,
  context: ContextReplica,
  options: WaitOptions,
): Promise<{ readonly token: string; readonly position: Position }> {
  const { workflow, index, failure } = context
  if (failure) throw failure
  const request = asked.questions.attest(workflow, index.highest)
  return asked.answer<'attested'>(request, options, () => unanswered(workflow))
}

/**
 * Whether the peer's log of a context reaches to a position, be that known here already or not.
 * @throws as `attest`
 */
export async function reaches(
  asked: Asked,
  context: ContextReplica,
  position: Position,
  options: WaitOptions,
): Promise<boolean> {
  const { workflow, failure } = context
  if (failure) throw failure
  const request = asked.questions.attest(workflow, position)
  try {
    await asked.answer<'attested'>(request, options, () => unanswered(workflow))
    return true
  } catch (error) {
    const code = isWeftError(error) ? error.code : undefined
    // Whoever signs nothing has looked first.
    if (code === 'WEFT_SESSION_UNAVAILABLE') return true
    if (code === 'WEFT_SESSION_INVALID') return false
    throw error
  }
}

/**
 * Resolves when this replica knows all that the token stands for; it never answers with less (SES-2).
 * @throws WEFT_SESSION_* · WEFT_NOT_SYNCED with `details.missing` · WEFT_ABORTED, and as `attest`
 */
export async function reach(
  asked: Asked,
  context: ContextReplica,
  token: string,
  options: WaitOptions,
): Promise<void> {
  const { workflow, index, failure } = context
  checkSession(token)
  if (failure) throw failure
  const request = asked.questions.present(workflow, token)
  const { position } = await asked.answer<'attested'>(request, options, () => unanswered(workflow))
  await context.until(
    () => index.position >= position,
    options,
    () => behind(context, position),
  )
}

function behind({ index, workflow }: ContextReplica, position: Position): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `this replica knows ${workflow} up to ${index.position}, and the session has seen it up to ${position}`,
    'wait longer, or look whether the peer has all that it acknowledged: this is not an empty context',
    { missing: { from: index.position + 1, to: position } },
  )
}

function unanswered(workflow: WorkflowId): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `the peer did not answer about a session of ${workflow} in time`,
    'check the connection: a session is asked of the peer',
  )
}
