import type { ChangeId, Position } from '@weft/core'
import type { Offer } from './offers.js'

/** A context that a replica follows, over any number of connections. */
export interface Subscription {
  readonly workflow: string
  readonly channel: number
  status: 'wanted' | 'opening' | 'catching-up' | 'live'
  /** The log is known up to here; `last` is the change there. */
  position: Position
  last: ChangeId | ''
  /** The highest position the peer ever told (DUR-5). */
  told: Position
  /** The length of the log when the channel opened. */
  target: Position
  /** What it ended with then. */
  heads: readonly ChangeId[]
  afterRollback: boolean
  unseenBytes: number
  /** Changes without an answer, deps first. */
  readonly pending: Map<ChangeId, Offer>
}

/** One that begins its log anew. @param told up to where that was known once */
export function newSubscription(workflow: string, channel: number, told: Position): Subscription {
  return {
    workflow,
    channel,
    status: 'wanted',
    position: 0,
    last: '',
    told,
    target: 0,
    heads: [],
    afterRollback: false,
    unseenBytes: 0,
    pending: new Map(),
  }
}
