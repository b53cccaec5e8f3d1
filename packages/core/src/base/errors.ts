/** Every way in which Weft refuses. A code never changes its meaning; messages may. */
export type ErrorCode =
  // addresses and credentials
  | 'WEFT_ID_INVALID'
  | 'WEFT_TOKEN_MISSING'
  | 'WEFT_TOKEN_INVALID'
  | 'WEFT_TOKEN_EXPIRED'
  | 'WEFT_TOKEN_REVOKED'
  | 'WEFT_TOKEN_AUDIENCE'
  | 'WEFT_TOKEN_ALGORITHM'
  | 'WEFT_TOKEN_CLAIMS'
  | 'WEFT_SCOPE'
  | 'WEFT_WORKFLOW_FORBIDDEN'
  // changes
  | 'WEFT_CHANGE_MALFORMED'
  | 'WEFT_CHANGE_HASH'
  | 'WEFT_CHANGE_TOO_LARGE'
  | 'WEFT_CHANGE_SEQ'
  | 'WEFT_CHANGE_LAMPORT'
  | 'WEFT_CHANGE_DEPS_MISSING'
  | 'WEFT_CHANGE_DEPS_ACTOR'
  | 'WEFT_CHANGE_EQUIVOCATION'
  | 'WEFT_CHANGE_STATE'
  | 'WEFT_CHANGE_UNKNOWN'
  | 'WEFT_ENTRY_UNKNOWN'
  | 'WEFT_QUEUE_FULL'
  // schemas, branches, pointers
  | 'WEFT_SCHEMA_REFUSED'
  | 'WEFT_SCHEMA_UNKNOWN'
  | 'WEFT_SCHEMA_ASYNC'
  | 'WEFT_MIGRATION_FAILED'
  | 'WEFT_VALUE_NOT_JSON'
  | 'WEFT_KIND_UNKNOWN'
  | 'WEFT_BRANCH_EXISTS'
  | 'WEFT_BRANCH_UNKNOWN'
  | 'WEFT_CONTEXT_HEADS'
  | 'WEFT_POINTER_INVALID'
  | 'WEFT_REF_INVALID'
  | 'WEFT_POSITION_UNKNOWN'
  | 'WEFT_CONFLICTS_OPEN'
  | 'WEFT_CONFLICT_UNKNOWN'
  | 'WEFT_REVERT_ALREADY'
  | 'WEFT_REVERT_NOTHING'
  // erasure
  | 'WEFT_ERASE_NOTHING'
  | 'WEFT_ERASE_IN_FORCE'
  | 'WEFT_ERASE_REFUSED'
  | 'WEFT_ERASED'
  // windows and summaries
  | 'WEFT_WINDOW_BUDGET'
  | 'WEFT_WINDOW_OPTIONS'
  | 'WEFT_WINDOW_UNKNOWN'
  | 'WEFT_WINDOW_DIFFERS'
  | 'WEFT_COUNTER_UNKNOWN'
  | 'WEFT_RENDER_FAILED'
  | 'WEFT_SUMMARY_EMPTY'
  // wire
  | 'WEFT_FRAME_MALFORMED'
  | 'WEFT_FRAME_TOO_LARGE'
  | 'WEFT_FRAME_UNKNOWN'
  | 'WEFT_FRAME_UNEXPECTED'
  | 'WEFT_VERSION'
  | 'WEFT_FLOW_CONTROL'
  | 'WEFT_AUTH_DEADLINE'
  | 'WEFT_LIMIT'
  // quotas of a tenant
  | 'WEFT_QUOTA_BYTES'
  | 'WEFT_QUOTA_CONTEXTS'
  | 'WEFT_QUOTA_RATE'
  // http
  | 'WEFT_REQUEST_MALFORMED'
  | 'WEFT_REQUEST_TOO_LARGE'
  | 'WEFT_REQUEST_TYPE'
  | 'WEFT_REQUEST_UNKNOWN'
  | 'WEFT_PATCH_REFUSED'
  | 'WEFT_GATEWAY_DOWN'
  // storage
  | 'WEFT_STORE_LOCKED'
  | 'WEFT_STORE_FAILED'
  | 'WEFT_STORE_CORRUPT'
  | 'WEFT_STORE_VERSION'
  | 'WEFT_STORE_KEY'
  | 'WEFT_STORE_CLOSED'
  | 'WEFT_ROLLBACK'
  // sessions
  | 'WEFT_SESSION_INVALID'
  | 'WEFT_SESSION_EXPIRED'
  | 'WEFT_SESSION_FOREIGN'
  | 'WEFT_SESSION_UNAVAILABLE'
  // preconditions, leases
  | 'WEFT_PRECONDITION'
  | 'WEFT_LEASE_HELD'
  | 'WEFT_LEASE_LOST'
  | 'WEFT_LEASE_ENDED'
  | 'WEFT_LEASE_INVALID'
  // subscriptions
  | 'WEFT_FILTER_INVALID'
  | 'WEFT_SUBSCRIPTION_EXISTS'
  | 'WEFT_SUBSCRIPTION_UNKNOWN'
  // overlays
  | 'WEFT_OVERLAY_INVALID'
  | 'WEFT_OVERLAY_VERSION'
  | 'WEFT_OVERLAY_STALE'
  | 'WEFT_OVERLAY_UNKNOWN'
  | 'WEFT_OVERLAY_BARRIER'
  // handoffs
  | 'WEFT_HANDOFF_INVALID'
  | 'WEFT_HANDOFF_FOREIGN'
  // side effects
  | 'WEFT_EFFECT_KEY'
  | 'WEFT_EFFECT_REFUSED'
  | 'WEFT_EFFECT_RESULT'
  // scratch
  | 'WEFT_SCRATCH_UNKNOWN'
  | 'WEFT_SCRATCH_ENDED'
  | 'WEFT_SCRATCH_FULL'
  // processes
  | 'WEFT_DRAINING'
  | 'WEFT_PEER_UNREACHABLE'
  | 'WEFT_NOT_SYNCED'
  | 'WEFT_FLUSH_DEADLINE'
  | 'WEFT_CLOSED'
  | 'WEFT_STEP_ENDED'
  | 'WEFT_SNAPSHOT_WITHDRAWN'
  | 'WEFT_LABEL_INVALID'
  | 'WEFT_ABORTED'
  | 'WEFT_PORT_IN_USE'
  | 'WEFT_USAGE'
  | 'WEFT_FILE_INVALID'
  | 'WEFT_INTERNAL'

export interface ErrorDetails {
  readonly [key: string]: unknown
}

/**
 * The one error class of Weft: a stable `code`, the cause as `message`, and what to do about it as `cure`.
 * `details` holds the values a program may act on (ids, counts, positions).
 */
export class WeftError extends Error {
  override readonly name = 'WeftError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly cure: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }

  toJSON(): { code: ErrorCode; message: string; cure: string; details: ErrorDetails } {
    return { code: this.code, message: this.message, cure: this.cure, details: this.details }
  }
}

export function isWeftError(value: unknown): value is WeftError {
  return value instanceof WeftError
}

/** The text of anything that was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
