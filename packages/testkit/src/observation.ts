import type { Change, ChangeId, LogHead, Position, Preconditions } from '@weft/core'

/** A context, of whichever tenant: the two ids that tell it from all others. */
export interface Place {
  readonly tenant: string
  readonly workflow: string
  /** Of both, to look things up by, and to print. */
  readonly key: string
}

const places = new Map<string, Place>()

/** One object for each: nearly all that is seen is seen somewhere. */
export function placeOf(tenant: string, workflow: string): Place {
  const key = `${tenant}:${workflow}`
  let place = places.get(key)
  if (place === undefined) {
    place = { tenant, workflow, key }
    places.set(key, place)
  }
  return place
}

interface At {
  readonly at: Place
}

/** What a token says of itself; times since 1970 UTC. */
export interface SeenToken {
  readonly id: string
  readonly tenant: string
  readonly issued_s: number
  readonly expires_ms: number
}

/** What is seen of a world from outside of the code under test. The laws are judged by this alone. */
export type Observation =
  /** A worker has offered a change to the peer. */
  | (At & { readonly saw: 'offered'; readonly process: string; readonly change: Change })
  /** A worker has offered a change that is to be taken only if something holds then. */
  | (At & { readonly saw: 'proposed'; readonly id: ChangeId; readonly preconditions: Preconditions })
  /** Whoever proposed what bears a mark was told that there was no rate for it, with so much of their time left. */
  | (At & { readonly saw: 'unwritten'; readonly mark: string; readonly left_ms: number })
  /** A change is where a power cut leaves it. */
  | (At & { readonly saw: 'durable'; readonly position: Position; readonly change: Change })
  /** A backup that holds less has taken the place of what was durable. */
  | (At & { readonly saw: 'lost'; readonly position: Position })
  /** What a store answered that was opened on a copy of the disk: a head, and the records that it stands for. */
  | (At & {
      readonly saw: 'stored'
      readonly head: LogHead
      readonly records: readonly { readonly id: ChangeId; readonly bytes: Uint8Array }[]
    })
  /** Bytes of a log have come to a worker as the peer sent them, and are no change. */
  | (At & { readonly saw: 'garbled'; readonly process: string; readonly position: Position })
  /** Rows of a tenant are gone from where a power cut leaves them; so many heads and records are still there. */
  | {
      readonly saw: 'removed'
      readonly tenant: string
      readonly heads: number
      readonly changes: number
      readonly left: number
    }
  /** A row of a tenant is damaged; a change of its overlays may be what revokes tokens. */
  | { readonly saw: 'flipped'; readonly tenant: string; readonly isOverlay: boolean }
  /** The peer is asked to drop a tenant, some of whose workers are connected. */
  | { readonly saw: 'dropping'; readonly tenant: string; readonly connected: readonly string[] }
  /** Whoever asked for that was told that it failed, or will be told nothing any more. */
  | { readonly saw: 'undropped'; readonly tenant: string }
  /** Whoever asked for it was told that it is done, and what was removed; the rows of the tenant that the disk holds now. */
  | {
      readonly saw: 'dropped'
      readonly tenant: string
      readonly workflows: number
      readonly changes: number
      readonly rows: readonly string[]
    }
  /** A row of the disk belongs to no context of any tenant. */
  | { readonly saw: 'stray'; readonly key: string }
  /** Somebody was told that a change is committed: by a frame, or by a promise of the API. */
  | (At & {
      readonly saw: 'acked'
      readonly process: string
      readonly id: ChangeId
      readonly position: Position
    })
  /** A change was sent to a worker, and has arrived. */
  | (At & { readonly saw: 'served'; readonly process: string; readonly change: Change })
  /** A change has come into the set of a replica, its own or another's. */
  | (At & { readonly saw: 'arrived'; readonly process: string; readonly change: Change })
  /** A replica has taken a refused change back. */
  | (At & { readonly saw: 'withdrawn'; readonly process: string; readonly ids: readonly ChangeId[] })
  /** A session is read from a handle that was opened under its token: what it had seen when that was made, and what is shown. */
  | (At & {
      readonly saw: 'session'
      readonly session: string
      readonly known: readonly ChangeId[]
      readonly shown: ReadonlySet<ChangeId>
    })
  /** A session wrote, having seen these. */
  | (At & {
      readonly saw: 'session-write'
      readonly session: string
      readonly id: ChangeId
      readonly known: readonly ChangeId[]
    })
  /** What a replica says of its set: the heads of all of it, and their digest. */
  | (At & {
      readonly saw: 'digest'
      readonly process: string
      readonly frontier: readonly ChangeId[]
      readonly digest: string
      /** All is well again, and nothing is under way: everybody should hold the same. */
      readonly isLast: boolean
    })
  /** What a replica shows of a branch, flattened, and says is stale there; entries by their ids. */
  | (At & {
      readonly saw: 'branch'
      readonly process: string
      readonly branch: string
      readonly heads: readonly ChangeId[]
      readonly order: readonly ChangeId[]
      readonly stale: readonly string[]
      /** All that was ever said to have become stale, when it did, and what was so before anybody listened. */
      readonly told: ReadonlySet<string>
    })
  /** A step has begun under these versions of overlays. */
  | {
      readonly saw: 'step'
      readonly tenant: string
      readonly process: string
      readonly overlays: Readonly<Record<string, number>>
    }
  /** A step has been committed: the heads that it began at, and the changes whose entries it was shown at its end. */
  | (At & {
      readonly saw: 'stepped'
      readonly id: ChangeId
      readonly heads: readonly ChangeId[]
      readonly shown: readonly ChangeId[]
    })
  /** A session's token was taken for a context that it is not of. */
  | { readonly saw: 'trespass'; readonly tenant: string; readonly of: Place; readonly on: string }
  /** The peer has sent a frame to whoever connected with a token; both times ms since 1970 UTC. */
  | {
      readonly saw: 'answered'
      readonly process: string
      readonly token: SeenToken
      /** As the peer's clock shows it. */
      readonly peer_ms: number
      readonly now_ms: number
    }
  /** A worker says with what token it connects. */
  | { readonly saw: 'connecting'; readonly tenant: string; readonly process: string }
  /** The peer has told a worker why it ends its connection. */
  | {
      readonly saw: 'ended'
      readonly tenant: string
      readonly process: string
      readonly code: string
    }
  /** Whoever revoked a token was told that this is in force. */
  | { readonly saw: 'revoked'; readonly tenant: string; readonly token: string; readonly now_ms: number }
  /** The barrier of a publication was reached. */
  | { readonly saw: 'barrier'; readonly tenant: string; readonly name: string; readonly version: number }
  /** A worker holds a lease, as far as it knows. */
  | (At & {
      readonly saw: 'lease'
      readonly process: string
      readonly on: string
      readonly epoch: number
    })
  /** All is well again, and nothing is under way: what lies in a log, read and verified anew. */
  | (At & { readonly saw: 'log'; readonly ids: readonly ChangeId[] })

export type Saw<Kind extends Observation['saw']> = Extract<Observation, { readonly saw: Kind }>
