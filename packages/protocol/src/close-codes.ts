import type { ErrorCode } from '@weft/core'

/** Why a peer ended a connection, and what a client should do: 44xx give up, 4401 get a new token, others retry. */
export const CLOSE_CODES = {
  normal: 1000,
  /** The peer is going down or restarting: connect again. */
  restart: 1012,
  /** The peer lost its store for a moment, or has no room: connect again later. */
  retry: 1013,
  protocol: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  unknown: 4404,
  authDeadline: 4408,
  ended: 4410,
  full: 4413,
} as const

export type Advice = 'retry' | 'new-token' | 'give-up'

export function adviceOf(closeCode: number): Advice {
  switch (closeCode) {
    case CLOSE_CODES.unauthorized:
      return 'new-token'
    case CLOSE_CODES.protocol:
    case CLOSE_CODES.forbidden:
    case CLOSE_CODES.unknown:
    case CLOSE_CODES.ended:
    case CLOSE_CODES.full:
      return 'give-up'
    default:
      return 'retry'
  }
}

/** What may be well when it is tried again. */
const LATER: readonly ErrorCode[] = ['WEFT_INTERNAL', 'WEFT_LIMIT', 'WEFT_QUOTA_RATE']

export function closeCodeOf(code: ErrorCode): number {
  if (code.startsWith('WEFT_TOKEN')) return CLOSE_CODES.unauthorized
  if (code === 'WEFT_SCOPE' || code === 'WEFT_WORKFLOW_FORBIDDEN') return CLOSE_CODES.forbidden
  if (code === 'WEFT_SCRATCH_UNKNOWN') return CLOSE_CODES.unknown
  if (code === 'WEFT_SCRATCH_ENDED') return CLOSE_CODES.ended
  if (code === 'WEFT_SCRATCH_FULL') return CLOSE_CODES.full
  if (code === 'WEFT_AUTH_DEADLINE') return CLOSE_CODES.authDeadline
  if (code === 'WEFT_DRAINING') return CLOSE_CODES.restart
  if (code.startsWith('WEFT_STORE') || LATER.includes(code)) return CLOSE_CODES.retry
  return CLOSE_CODES.protocol
}
