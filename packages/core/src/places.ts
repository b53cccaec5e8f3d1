import type { Change } from './change.js'
import { pointersOf } from './ref.js'

/** The items of a list have no names that last. */
const LIST_KEY = /\/(?:\d+|-)(?=\/|$)/

/** What a pointer leads to, as far as names go that last: of what is in a list, the list. */
export function placeOf(pointer: string): string {
  return pointer.slice(0, LIST_KEY.exec(pointer)?.index)
}

/** The places that a change names as written. */
export function placesIn({ header }: Change): string[] {
  return [...new Set(pointersOf(header.writes).map(placeOf))]
}

/** Those of them that it wrote. */
export function writtenPlaces(change: Change): string[] {
  return lowest(placesIn(change))
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
