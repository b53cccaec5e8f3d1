import type { ChangeSet } from './change-set.js'
import type { ChangeId } from './ids.js'
import { checkPointer } from './json.js'
import { openWritesOf } from './open-writes.js'
import type { View } from './view.js'

/**
 * The changes of a view that wrote last at a pointer, above it or below it: more than one when they are concurrent,
 * none when nobody has. By id, ascending. @throws WEFT_POINTER_INVALID
 */
export function lastWriters(set: ChangeSet, view: View, pointer: string): ChangeId[] {
  checkPointer(pointer)
  // A write that is not open was covered by one which touches the pointer too, and came after it.
  return set.ids(set.maximal(openWritesOf(set, view).open.touching(pointer)))
}
