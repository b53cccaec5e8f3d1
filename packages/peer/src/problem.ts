import type { ErrorCode, WeftError } from '@weft/core'
import { asWeftError } from '@weft/protocol'

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

const STATUS: Partial<Record<ErrorCode, number>> = {
  WEFT_SCOPE: 403,
  WEFT_WORKFLOW_FORBIDDEN: 403,
  WEFT_ID_INVALID: 400,
  WEFT_FILTER_INVALID: 400,
  WEFT_USAGE: 400,
  WEFT_POSITION_UNKNOWN: 416,
  WEFT_SUBSCRIPTION_UNKNOWN: 404,
  WEFT_LIMIT: 503,
  WEFT_DRAINING: 503,
  WEFT_STORE_FAILED: 503,
}

/** What is told of something thrown: never the text of an error that is not ours. */
export function problemOf(thrown: unknown): Problem {
  const { code, message, cure, details } = asWeftError(thrown)
  const status = code.startsWith('WEFT_TOKEN_') ? 401 : (STATUS[code] ?? 500)
  return { type: `urn:weft:error:${code}`, title: code, status, detail: message, code, cure, details }
}

export function problemResponse(thrown: unknown): Response {
  const problem = problemOf(thrown)
  return new Response(`${JSON.stringify(problem)}\n`, {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(problem.status === 401 && { 'www-authenticate': 'Bearer' }),
    },
  })
}
