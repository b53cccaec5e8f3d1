import type { Change, ChangeId, Preconditions } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import { Pasts } from '../pasts.js'

interface Log {
  readonly pasts: Pasts
  readonly changes: Map<ChangeId, Change>
}

/**
 * Nothing stands in a log before a change that its author had not seen and that it was to be taken without (DUR-6): no
 * change of a branch beside the heads that were expected, no write to what must not have moved.
 */
export function preconditions(): Checker {
  const logs = new Map<string, Log>()
  const proposed = new Map<ChangeId, Preconditions>()
  return {
    name: 'preconditions',
    on: {
      proposed: ({ id, preconditions: expected }) => void proposed.set(id, expected),
      durable: ({ change, at }, report) => {
        const log = entryOf(logs, at.key, () => ({ pasts: new Pasts(), changes: new Map() }))
        if (log.changes.has(change.id)) return
        log.pasts.add(change)
        const expected = proposed.get(change.id)
        for (const why of expected ? broken(log, change, expected) : [])
          report('DUR-6', `${at.key}: ${short(change.id)} was taken, but ${why}`)
        log.changes.set(change.id, change)
      },
    },
  }
}

function* broken(
  { pasts, changes }: Log,
  { id }: Change,
  { heads, unmoved }: Preconditions,
): Generator<string> {
  for (const { branch, ids } of heads) {
    const isSeen = (other: ChangeId) => ids.some(head => head === other || pasts.isBefore(other, head))
    for (const other of changes.values())
      if (other.header.branch === branch && !isSeen(other.id)) yield `${short(other.id)} is on ${branch}`
  }
  const refs = new Set(unmoved.map(unversioned))
  for (const other of changes.values()) {
    const moved = other.header.writes.find(wrote => refs.has(unversioned(wrote)))
    if (moved !== undefined && !pasts.isBefore(other.id, id)) yield `${short(other.id)} has written ${moved}`
  }
}

function unversioned(ref: string): string {
  return ref.replace(/@[^@]*$/, '')
}
