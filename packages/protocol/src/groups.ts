import { WIRE_LIMITS } from './messages.js'

/** What a frame takes beside its items. */
const FRAME_OVERHEAD_BYTES = 32
const ITEM_OVERHEAD_BYTES = 5

/** Larger frames are no faster to send, and take a peer so long to take apart that others wait. */
export const FRAME_BYTES_SOUGHT = 65_536

/** Splits items, in order, so that each group makes a frame that is not too large. One item always does. */
export function* groupsOf<T>(items: Iterable<T>, size: (item: T) => number): Generator<T[]> {
  let group: T[] = []
  let bytes = FRAME_OVERHEAD_BYTES
  for (const item of items) {
    const more = size(item) + ITEM_OVERHEAD_BYTES
    const full = bytes + more > FRAME_BYTES_SOUGHT || group.length === WIRE_LIMITS.changes_per_frame_max
    if (full && group.length > 0) {
      yield group
      group = []
      bytes = FRAME_OVERHEAD_BYTES
    }
    group.push(item)
    bytes += more
  }
  if (group.length > 0) yield group
}
