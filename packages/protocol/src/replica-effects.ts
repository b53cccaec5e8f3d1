import type { ChangeId, Position, WeftError } from '@weft/core'

/** A piece of the log: a change, or the id of one that this replica sent itself. */
export type LogItem = { readonly bytes: Uint8Array } | { readonly id: ChangeId }

/** What the shell must do next, in order. */
export type ReplicaEffect =
  | { readonly do: 'send'; readonly frame: Uint8Array }
  | { readonly do: 'welcomed'; readonly tenant: string; readonly scopes: readonly string[] }
  /**
   * The log has `count` changes. After a rollback (DUR-5) it lacks some that it had before; up to `position` it still
   * is what this replica knows.
   */
  | {
      readonly do: 'opened'
      readonly workflow: string
      readonly count: Position
      readonly rollback: boolean
      readonly position: Position
    }
  | {
      readonly do: 'deliver'
      readonly workflow: string
      readonly from: Position
      readonly items: readonly LogItem[]
    }
  | {
      readonly do: 'acked'
      readonly workflow: string
      readonly acks: readonly { readonly id: ChangeId; readonly position: Position }[]
    }
  | {
      readonly do: 'refused'
      readonly workflow: string
      readonly id: ChangeId | ''
      readonly error: WeftError
    }
  /** Everything that the log held when the channel opened has been delivered. Its heads were these, or it is another than was told. */
  | {
      readonly do: 'caught-up'
      readonly workflow: string
      readonly afterRollback: boolean
      readonly heads: readonly ChangeId[]
    }
  /** The answer to a question of `Questions`. */
  | { readonly do: 'attested'; readonly request: number; readonly position: Position; readonly token: string }
  | { readonly do: 'renewed'; readonly request: number; readonly ttl_ms: number }
  | { readonly do: 'current'; readonly request: number; readonly position: Position; readonly ttl_ms: number }
  | {
      readonly do: 'barred'
      readonly request: number
      readonly holders: readonly string[]
      readonly left_ms: number
    }
  | { readonly do: 'denied'; readonly request: number; readonly error: WeftError }
  /** Of a context nothing more is served over this connection; these changes the peer may have taken. */
  | {
      readonly do: 'channel-failed'
      readonly workflow: string
      readonly error: WeftError
      readonly undecided: ReadonlySet<ChangeId>
    }
  | { readonly do: 'failed'; readonly error: WeftError }
