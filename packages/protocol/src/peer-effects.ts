import type { Change, ChangeId, ErrorCode, Position, Preconditions } from '@weft/core'

export type Scope = 'read' | 'write' | 'admin'

/** What a verified credential says (TEN-1). */
export interface Grant {
  readonly tenant: string
  readonly scopes: readonly Scope[]
}

/** What the shell must do next, in order. Answers come back as inputs of the session. */
export type PeerEffect =
  | { readonly do: 'send'; readonly frame: Uint8Array }
  | { readonly do: 'authenticate'; readonly token: string }
  | {
      readonly do: 'open'
      readonly channel: number
      readonly workflow: string
      readonly after: Position
      readonly last: ChangeId | ''
    }
  /** With preconditions it is a single change, and taken only if they hold. */
  | {
      readonly do: 'submit'
      readonly channel: number
      readonly changes: readonly Change[]
      readonly preconditions?: Preconditions
    }
  | { readonly do: 'read'; readonly channel: number; readonly from: Position; readonly bytes_max: number }
  /** Sign that the log of a workflow reaches to `position`. */
  | {
      readonly do: 'attest'
      readonly request: number
      readonly workflow: string
      readonly position: Position
    }
  /** Verify such a signature. */
  | {
      readonly do: 'present'
      readonly request: number
      readonly workflow: string
      readonly token: string
    }
  /** Let a lease run on. */
  | {
      readonly do: 'renew'
      readonly request: number
      readonly workflow: string
      readonly on: string
      readonly epoch: number
    }
  /** The log of the tenant's overlays is known at the other end up to here. */
  | { readonly do: 'seen'; readonly position: Position }
  /** Look whether this is all of the tenant's overlays. */
  | {
      readonly do: 'confirm'
      readonly request: number
      readonly position: Position
      readonly last: ChangeId | ''
    }
  /** Wait until nobody can begin a step without knowing the log of overlays up to here. */
  | {
      readonly do: 'barrier'
      readonly request: number
      readonly position: Position
      readonly timeout_ms: number
    }
  | { readonly do: 'release'; readonly channel: number }
  /** A refusal has been sent: for whoever counts them. */
  | { readonly do: 'refused'; readonly code: ErrorCode }
  | { readonly do: 'close'; readonly code: number; readonly reason: string }
