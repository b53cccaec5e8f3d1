import { LIMITS } from '../base/limits.js'
import { checkMoves, checkWritten, moveIn } from './list-marks.js'

/*
 * To add to the end of a list, or to take something off it, moves nothing that its author knew of, and is no write to any item
 * but those taken off. But of two who add beside each other one item comes to stand behind the other. So where the end was is
 * noted, apart from what is written: it touches those alone who know of items from there on.
 */

/** @throws TypeError · RangeError · WEFT_POINTER_INVALID */
export function checkEnds(ends: unknown): void {
  if (!Array.isArray(ends) || ends.length > LIMITS.refs_per_change_max)
    throw new TypeError('ends is not a list')
  for (const mark of ends) {
    if (typeof mark !== 'string' || mark.length > LIMITS.ref_chars_max || !moveIn(mark))
      throw new TypeError('what ends says of a list is not where it ended')
    checkWritten(mark)
  }
  checkMoves(ends)
}
