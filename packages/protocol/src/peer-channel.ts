import type { ChangeId, LogRecord, Position } from '@weft/core'

/** A context that a replica follows on one connection: a cursor into its log. */
export interface Channel {
  readonly workflow: string
  ready: boolean
  /** The last position sent. */
  cursor: Position
  /** The last position there is. */
  count: Position
  reading: boolean
  /** Frames sent and not yet reported as seen: their last position and size. */
  readonly unseen: { position: Position; bytes: number }[]
  unseenBytes: number
  /** Sizes of changes that came over this connection and that the cursor has not passed. */
  readonly own: Map<ChangeId, number>
}

const SEEN_GRAIN_BYTES = 16_384

export function newChannel(workflow: string, after: Position): Channel {
  return {
    workflow,
    ready: false,
    cursor: after,
    count: 0,
    reading: false,
    unseen: [],
    unseenBytes: 0,
    own: new Map(),
  }
}

/** So many bytes are under way, up to the cursor. */
export function noteSent(state: Channel, bytes: number): void {
  const last = state.unseen.at(-1)
  if (last !== undefined && last.bytes < SEEN_GRAIN_BYTES) {
    last.position = state.cursor
    last.bytes += bytes
  } else {
    state.unseen.push({ position: state.cursor, bytes })
  }
  state.unseenBytes += bytes
}

/** What was under way up to a position has arrived. */
export function noteSeen(state: Channel, position: Position): void {
  while (state.unseen.length > 0 && state.unseen[0]!.position <= position) {
    state.unseenBytes -= state.unseen.shift()!.bytes
  }
}

/** Whether `own` is all that the log has behind the cursor. */
export function continues(own: readonly LogRecord[], { cursor, count }: Channel): boolean {
  return (
    own.length > 0 &&
    own.length === count - cursor &&
    own.every(({ position }, index) => position === cursor + 1 + index)
  )
}
