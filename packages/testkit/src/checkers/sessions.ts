import type { ChangeId } from '@weft/core'
import { type Checker, entryOf, forget, short } from '../checker.js'
import type { Place } from '../observation.js'

interface SessionWrite {
  readonly session: string
  readonly id: ChangeId
  readonly known: readonly ChangeId[]
}

/**
 * Under its token a session is shown on any replica what it wrote and saw (SES-1: read your writes, monotonic reads; SES-2:
 * or nothing), and in the log what it wrote comes after what it had written and seen (monotonic writes, writes follow reads).
 */
export function sessions(): Checker {
  const writes = new Map<string, SessionWrite[]>()
  const writesAt = (at: Place) => entryOf(writes, at.key, () => [])
  return {
    name: 'sessions',
    on: {
      session: ({ session, known, shown, at }, report) => {
        const missing = known.filter(id => !shown.has(id))
        if (missing.length > 0)
          report(
            'SES-1',
            `${session} was opened on ${at.key} and is not shown ${missing.length} of the ${known.length} ` +
              `changes that it had written and seen: ${missing.slice(0, 4).map(short)}`,
          )
      },
      'session-write': ({ session, id, known, at }) => {
        writesAt(at).push({ session, id, known })
      },
      removed: ({ tenant }) => forget(writes, tenant),
      log: ({ ids, at }, report) => {
        const positions = new Map(ids.map((id, index) => [id, index]))
        for (const { session, id, known } of writesAt(at)) {
          const position = positions.get(id)
          if (position === undefined) continue
          const late = known.filter(other => (positions.get(other) ?? Number.POSITIVE_INFINITY) > position)
          if (late.length > 0)
            report(
              'SES-1',
              `${session} wrote ${short(id)} on ${at.key} after ${late.slice(0, 4).map(short)}, which come later in the log`,
            )
        }
      },
    },
  }
}
