import { z } from '@hono/zod-openapi'
import { branchName, id, whole, workflowId } from './fields.js'
import { DEFAULT_LIMITS } from './limits.js'

/* What routes have in common, as the document tells it. */

export const PROBLEM = z
  .object({
    type: z.string().openapi({ example: 'urn:weft:error:WEFT_PRECONDITION' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: 'the cause, for people' }),
    code: z.string().openapi({ description: 'stable: what a program acts on' }),
    cure: z.string().openapi({ description: 'what to do about it' }),
    details: z.record(z.string(), z.unknown()).openapi({ description: 'values that a program may act on' }),
  })
  .openapi('Problem', { description: 'Problem details (RFC 9457)' })

const PROBLEMS = {
  400: 'The request is not what it must be.',
  401: 'The token is missing, or the peer does not take it.',
  403: 'The token does not allow this.',
  404: 'What is named is not there.',
  409: 'It does not fit what is there: a patch that does not apply, another schema, a branch that has begun, a claim that is over.',
  412: 'A precondition does not hold; `details` says what it would have needed. Nothing was written.',
  413: 'The body, or what it would write, is too large.',
  415: 'The body is not JSON.',
  416: 'The position was never reached.',
  422: 'A value is refused, by its schema or by the model; or pinned entries exceed a budget.',
  429: 'The tenant writes faster than it may: nothing was written. `Retry-After` says when there is room again.',
  503: 'The peer or the gateway cannot now; try again.',
  504: 'It did not come in time: `details.missing` names the positions that are not here yet.',
} as const

type ProblemStatus = keyof typeof PROBLEMS

/** The problems that a route may answer with, beside those that any can. */
export function problems(...statuses: readonly ProblemStatus[]) {
  const content = { 'application/problem+json': { schema: PROBLEM } }
  const all = [...new Set<ProblemStatus>([400, 401, 403, ...statuses, 503, 504])]
  return {
    ...Object.fromEntries(all.map(status => [status, { description: PROBLEMS[status], content }])),
    default: { description: 'Any other problem.', content },
  } as { default: { description: string; content: typeof content } }
}

const SESSION_HEADER = z.object({
  'weft-session': z.string().optional().openapi({ description: 'the session, where there is one' }),
})

/** A body in JSON. */
export function takes<Body extends z.ZodType>(schema: Body) {
  return { required: true, content: { 'application/json': { schema } } } as const
}

/** An answer in JSON about a context, with its session. */
export function answers<Body extends z.ZodType>(description: string, schema: Body) {
  return { description, headers: SESSION_HEADER, content: { 'application/json': { schema } } }
}

export const NO_CONTENT = { headers: SESSION_HEADER }

export const SECURITY = [{ bearer: [] }]

export const inWorkflow = z.object({ workflow: workflowId })
export const inSubscription = inWorkflow.extend({ name: id })
export const AFTER_HEADER = z.object({
  'weft-after': z
    .string()
    .optional()
    .openapi({ description: 'as `after`, for whom it is easier to pass a header' }),
})

export const after = z.string().openapi({
  description: 'a session token: the answer shows at least all that its session had seen (SES-1)',
})
export const wait_ms = whole(0, DEFAULT_LIMITS.wait_ms_max).openapi({
  description:
    'how long to wait at most for what is not here yet, beside the second that the peer may take to answer; default ' +
    DEFAULT_LIMITS.wait_ms,
})

/** As `after` and `wait_ms`, in a body. */
export const waiting = {
  after: after.optional(),
  wait_ms: z.int().min(0).max(DEFAULT_LIMITS.wait_ms_max).optional(),
}

/** What every question may say. */
export const aboutWaiting = {
  after: after.optional(),
  wait_ms: wait_ms.optional(),
}

/** What every question about a branch may say. */
export const aboutBranch = {
  branch: branchName.optional().openapi({ description: 'default `main`' }),
  ...aboutWaiting,
}

/** Which page of a list; `max` items are one at most, and by default. */
export const pageOfUpTo = (max: number, byDefault: number = max) => ({
  offset: whole(0).optional(),
  limit: whole(1, max)
    .optional()
    .openapi({ description: `default ${byDefault}` }),
})

export const next = z
  .string()
  .nullable()
  .openapi({ description: 'path and query of the next page; null on the last' })

export const at = whole(0).openapi({ description: 'as it was at this position; default: as it is' })
