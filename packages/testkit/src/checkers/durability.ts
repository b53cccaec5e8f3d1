import type { ChangeId, Position } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import type { Place } from '../observation.js'

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
  const logOf = (at: Place): Log => entryOf(logs, at.key, () => ({ ids: [], acked: new Map() }))
  return {
    name: 'durability',
    on: {
      durable: ({ position, change: { id }, at }, report) => {
        const { ids } = logOf(at)
        const before = ids[position]
        if (before !== undefined && before !== id)
          report('DUR-2', `${at.key}: position ${position} held ${short(before)} and now holds ${short(id)}`)
        ids[position] = id
      },
      acked: ({ process, id, position, at }, report) => {
        const { ids, acked } = logOf(at)
        if (ids[position] !== id)
          report(
            'DUR-1',
            `${at.key}: ${process} was told that ${short(id)} is committed at ${position}, where a power cut ` +
              `would leave ${ids[position] === undefined ? 'nothing' : short(ids[position])}`,
          )
        const before = acked.get(id)
        if (before !== undefined && before !== position)
          report('DUR-2', `${at.key}: ${short(id)} was acknowledged at ${before} and at ${position}`)
        acked.set(id, position)
      },
      log: ({ ids, at }, report) => {
        for (const [id, position] of logOf(at).acked) {
          if (ids[position - 1] !== id)
            report('DUR-1', `${at.key}: ${short(id)} was acknowledged at ${position} and is lost`)
        }
        if (new Set(ids).size !== ids.length) report('DUR-2', `${at.key}: a change is twice in the log`)
      },
    },
  }
}
