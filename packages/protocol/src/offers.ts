import { fromHex, type Preconditions } from '@weft/core'
import { encodeMessage } from './codec.js'
import { groupsOf } from './groups.js'
import type { Message } from './messages.js'

/** A change on its way to the peer; one with preconditions travels by itself. */
export interface Offer {
  readonly bytes: Uint8Array
  readonly preconditions: Preconditions | undefined
  /** Over this connection. */
  sent: boolean
  /** Over another connection, before it was sent over this one: what became of it there is not known. */
  sentBefore: boolean
  /** Over this connection or another one: the peer may have taken it. */
  offered: boolean
}

/** The frames that carry offers, in their order: runs of changes share frames, a proposal has one of its own. */
export function* framesOf(channel: number, offers: readonly Offer[]): Generator<Uint8Array> {
  let run: Uint8Array[] = []
  for (const { bytes, preconditions } of offers) {
    if (preconditions === undefined) {
      run.push(bytes)
      continue
    }
    yield* pushesOf(channel, run)
    run = []
    yield encodeMessage(proposalOf(channel, bytes, preconditions))
  }
  yield* pushesOf(channel, run)
}

function* pushesOf(channel: number, run: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const changes of groupsOf(run, change => change.length))
    yield encodeMessage({ name: 'push', channel, changes })
}

export function proposalOf(channel: number, change: Uint8Array, { heads, unmoved }: Preconditions): Message {
  return {
    name: 'propose',
    channel,
    change,
    branches: heads.map(({ branch }) => branch),
    heads: heads.map(({ ids }) => fromHex([...ids].sort().join(''))),
    unmoved,
  }
}
