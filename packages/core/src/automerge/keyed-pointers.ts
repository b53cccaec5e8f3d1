import { movesOf, placesIn } from '../refs/ref.js'
import type { Change } from '../change/change.js'

/** An item of a list by its index, its end or its mark; a map may have such keys too, but for the last. */
const ITEM = /\/(?:\d+|-|~@[^/]+)(?=\/|$)/

/** A pointer as far as it goes by the keys of maps: of what is in a list, the list. */
export function keyedPointer(pointer: string): string {
  return pointer.slice(0, ITEM.exec(pointer)?.index)
}

/** Those that a change names as written, and the lists of which it moved items. */
export function keyedIn({ header: { writes } }: Change): string[] {
  const named = [...placesIn(writes), ...movesOf(writes).map(({ list }) => list)]
  return [...new Set(named.map(keyedPointer))]
}

/** Those of them that it wrote. */
export function keyedWritten(change: Change): string[] {
  return lowest(keyedIn(change))
}

/** Those with none of the others below them: what is named above another was not written as a whole, but settled or restored. */
export function lowest(pointers: readonly string[]): string[] {
  const above = new Set(pointers.flatMap(pointersAbove))
  return pointers.filter(pointer => !above.has(pointer))
}

/** From the next one to the root. */
export function pointersAbove(pointer: string): string[] {
  const above: string[] = []
  for (let at = pointer; at !== ''; ) {
    at = at.slice(0, at.lastIndexOf('/'))
    above.push(at)
  }
  return above
}

/** Of two pointers that touch, the one that leads further down. */
export function lower(a: string, b: string): string {
  return a.length > b.length ? a : b
}
