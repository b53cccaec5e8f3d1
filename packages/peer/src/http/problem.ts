import type { ErrorCode, WeftError } from '@weft/core'
import { asWeftError } from '@weft/protocol'
import { STATUS_OF } from './problem-status.js'

/** RFC 9457 problem details of a refusal. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly cure: string
  readonly details: WeftError['details']
}

/** What is told of something thrown: never the text of an error that is not ours. */
export function problemOf(thrown: unknown): Problem {
  const { code, message, cure, details } = asWeftError(thrown)
  // A peer of another version may know codes that this one does not.
  const status = STATUS_OF[code] ?? 500
  return { type: `urn:weft:error:${code}`, title: code, status, detail: message, code, cure, details }
}

/** Headers of an answer with a problem. */
export function problemHeaders({ status, details }: Problem): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...((status === 503 || status === 429) && { 'retry-after': secondsOf(details.retry_after_ms) }),
  }
}

/** Whole seconds, one at least: what the header takes. */
function secondsOf(ms: unknown): string {
  return String(typeof ms === 'number' && ms > 1_000 ? Math.ceil(ms / 1_000) : 1)
}

export function problemResponse(thrown: unknown): Response {
  const problem = problemOf(thrown)
  return new Response(problemText(problem), { status: problem.status, headers: problemHeaders(problem) })
}

export function problemText(problem: Problem): string {
  return `${JSON.stringify(problem)}\n`
}
