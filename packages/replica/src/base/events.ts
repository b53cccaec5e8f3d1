import type { ChangeId, Position, WeftError } from '@weft/core'

/** What a replica tells those who run it, for logs and metrics. Nothing depends on anybody listening. */
export type ReplicaEvent =
  | { readonly type: 'connected'; readonly tenant: string; readonly attempt: number }
  | {
      readonly type: 'disconnected'
      readonly code: number
      readonly reason: string
      readonly retry_ms: number
    }
  /** The peer came back with less than it had acknowledged (DUR-5); what is missing is being offered again. */
  | { readonly type: 'rollback'; readonly workflow: string; readonly had: Position; readonly has: Position }
  | {
      readonly type: 'refused'
      readonly workflow: string
      readonly change: ChangeId
      readonly error: WeftError
    }
  /** The peer sent something that cannot be taken in; the connection is made anew. */
  | { readonly type: 'damaged'; readonly workflow: string; readonly error: unknown }
  /** The connection cannot be had: only a new token or another peer helps. */
  | { readonly type: 'failed'; readonly error: WeftError }

export type ReplicaListener = (event: ReplicaEvent) => void
