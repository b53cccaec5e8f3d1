import type { ChangeSet } from './change-set.js'
import type { ChangeId } from './ids.js'
import { parsePointer, pointersTouch } from './json.js'
import type { Node } from './dag.js'
import { pointerOf } from './ref.js'
import type { View } from './view.js'

/**
 * The changes of a view that wrote last at a pointer, above it or below it: more than one when they are concurrent,
 * none when nobody has. By id, ascending. @throws WEFT_POINTER_INVALID
 */
export function lastWriters(set: ChangeSet, view: View, pointer: string): ChangeId[] {
  parsePointer(pointer)
  let last: Node[] = []
  for (const node of view.arrived) {
    if (!set.change(node).header.writes.some(ref => writesTo(ref, pointer))) continue
    last = last.filter(writer => !set.dag.isAncestor(writer, node))
    last.push(node)
  }
  return set.ids(last)
}

function writesTo(ref: string, pointer: string): boolean {
  const written = pointerOf(ref)
  return written !== undefined && pointersTouch(written, pointer)
}
