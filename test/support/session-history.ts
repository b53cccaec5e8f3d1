/** What one session did, in its own order. Writes are named by numbers that nothing else bears. */
export type SessionEvent =
  | { readonly session: number; readonly did: 'write'; readonly name: number }
  | { readonly session: number; readonly did: 'read'; readonly saw: readonly number[] }

export interface Violation {
  readonly session: number
  readonly guarantee: 'read your writes' | 'monotonic reads' | 'monotonic writes' | 'writes follow reads'
  readonly missing: number
}

/**
 * Judges a history by the four session guarantees of D. Terry et al., "Session Guarantees for Weakly Consistent
 * Replicated Data" (PDIS 1994), knowing nothing of Weft: each session's reads hold what it wrote and saw before, and
 * in the final log each of its writes comes after what it wrote and saw before.
 * @param log the names of all writes, in the order of the committed log
 */
export function violations(history: readonly SessionEvent[], log: readonly number[]): Violation[] {
  const place = new Map(log.map((name, index) => [name, index]))
  const wrote = new Map<number, number[]>()
  const seen = new Map<number, Set<number>>()
  const found: Violation[] = []
  for (const event of history) {
    const { session } = event
    const mine = entry(wrote, session, () => [])
    const known = entry(seen, session, () => new Set<number>())
    if (event.did === 'read') {
      const saw = new Set(event.saw)
      for (const name of mine)
        if (!saw.has(name)) found.push({ session, guarantee: 'read your writes', missing: name })
      for (const name of known)
        if (!saw.has(name)) found.push({ session, guarantee: 'monotonic reads', missing: name })
      for (const name of saw) known.add(name)
      continue
    }
    const at = place.get(event.name) ?? Number.POSITIVE_INFINITY
    const before = (name: number): boolean => (place.get(name) ?? Number.POSITIVE_INFINITY) < at
    for (const name of mine)
      if (!before(name)) found.push({ session, guarantee: 'monotonic writes', missing: name })
    for (const name of known)
      if (!before(name)) found.push({ session, guarantee: 'writes follow reads', missing: name })
    mine.push(event.name)
  }
  return found
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}
