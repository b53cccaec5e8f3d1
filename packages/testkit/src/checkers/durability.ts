import type { ChangeId, Position } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import { type Place, placeKey, placeName } from '../observation.js'

interface Log {
  /** What is durable, by position from 1. */
  readonly ids: (ChangeId | undefined)[]
  readonly acked: Map<ChangeId, Position>
}

/**
 * What was acknowledged is durable at that moment, where it was said to be, and for good: every acknowledged change is
 * accounted for in the end (DUR-1); a position never holds two changes, and none is left out (DUR-2).
 */
export function durability(): Checker {
  const logs = new Map<string, Log>()
  const logOf = (place: Place): Log => entryOf(logs, placeKey(place), () => ({ ids: [], acked: new Map() }))
  return {
    name: 'durability',
    on: {
      durable: ({ position, change: { id }, ...place }, report) => {
        const { ids } = logOf(place)
        const before = ids[position]
        if (before !== undefined && before !== id)
          report('DUR-2', `${placeName(place)}: position ${position} held ${short(before)} and now holds ${short(id)}`)
        ids[position] = id
      },
      acked: ({ process, id, position, ...place }, report) => {
        const { ids, acked } = logOf(place)
        if (ids[position] !== id)
          report(
            'DUR-1',
            `${placeName(place)}: ${process} was told that ${short(id)} is committed at ${position}, where a power cut ` +
              `would leave ${ids[position] === undefined ? 'nothing' : short(ids[position])}`,
          )
        const before = acked.get(id)
        if (before !== undefined && before !== position)
          report('DUR-2', `${placeName(place)}: ${short(id)} was acknowledged at ${before} and at ${position}`)
        acked.set(id, position)
      },
      log: ({ ids, ...place }, report) => {
        for (const [id, position] of logOf(place).acked) {
          if (ids[position - 1] !== id)
            report('DUR-1', `${placeName(place)}: ${short(id)} was acknowledged at ${position} and is lost`)
        }
        if (new Set(ids).size !== ids.length)
          report('DUR-2', `${placeName(place)}: a change is twice in the log`)
      },
    },
  }
}
