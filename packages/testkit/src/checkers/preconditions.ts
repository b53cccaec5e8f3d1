import type { Change, ChangeId, Preconditions } from '@weft/core'
import { type Checker, entryOf, forget, short } from '../checker.js'
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
  /** By context. What was taken once is offered again as it is, without conditions. */
  const proposed = new Map<string, Map<ChangeId, Preconditions>>()
  /** What was taken, also by a tenant that is gone since: a worker that holds it brings it back, whoever proposes it once more. */
  const taken = new Set<ChangeId>()
  /** How often, since the tenant began anew, that was offered without conditions. */
  const broughtBack = new Map<string, Map<ChangeId, number>>()
  const offersOf = (key: string): Map<ChangeId, number> => entryOf(broughtBack, key, () => new Map())
  const noteOffer = (key: string, id: ChangeId, more: number): void => {
    if (taken.has(id)) offersOf(key).set(id, (offersOf(key).get(id) ?? 0) + more)
  }
  return {
    name: 'preconditions',
    on: {
      offered: ({ change, at }) => noteOffer(at.key, change.id, 1),
      proposed: ({ id, preconditions: expected, at }) => {
        // It was seen as an offer as well.
        noteOffer(at.key, id, -1)
        entryOf(proposed, at.key, () => new Map()).set(id, expected)
      },
      durable: ({ change, at }, report) => {
        const log = entryOf(logs, at.key, () => ({ pasts: new Pasts(), changes: new Map() }))
        if (log.changes.has(change.id)) return
        log.pasts.add(change)
        const expected = proposed.get(at.key)?.get(change.id)
        const isBack = (offersOf(at.key).get(change.id) ?? 0) > 0
        for (const why of expected && !isBack ? broken(log, change, expected) : [])
          report('DUR-6', `${at.key}: ${short(change.id)} was taken, but ${why}`)
        if (expected) taken.add(change.id)
        log.changes.set(change.id, change)
      },
      removed: ({ tenant }) => {
        forget(logs, tenant)
        forget(proposed, tenant)
        forget(broughtBack, tenant)
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
  const refs = unmoved.filter(ref => !ref.startsWith(STATE)).map(versioned)
  for (const other of changes.values()) {
    if (pasts.isBefore(other.id, id)) continue
    const wrote = other.header.writes.find(text => refs.some(ref => isMovedBy(ref, versioned(text))))
    if (wrote !== undefined) yield `${short(other.id)} has written ${wrote}`
  }
}

/** What moves there depends on what a branch shows, and is left to the tests of the law. */
const STATE = 'state:'

interface Versioned {
  readonly ref: string
  readonly version: string | undefined
}

function versioned(text: string): Versioned {
  const [, ref = text, version] = /^(.+)@([^@/]+)$/s.exec(text) ?? []
  return { ref, version }
}

/** A version that was seen may be written again. */
function isMovedBy(seen: Versioned, wrote: Versioned): boolean {
  return seen.ref === wrote.ref && (seen.version === undefined || seen.version !== wrote.version)
}
