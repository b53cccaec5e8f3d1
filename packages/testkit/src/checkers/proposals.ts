import type { Change, ChangeId } from '@weft/core'
import { type Checker, entryOf, forget, short } from '../checker.js'

/** Longer than a replica waits before it offers again, and for the answer to that. */
const ENOUGH_MS = 2_000
const MARK = /<<[^<>]+>>/

interface Proposed {
  readonly taken: Set<ChangeId>
  isUnwritten: boolean
}

/**
 * What is offered on condition, perhaps several times, stands in a log once, and never where its author was told that there
 * was no rate for it (DUR-6); and nobody is told that who has the time to have it offered again.
 */
export function proposals(): Checker {
  /** By context, then by the mark that the text of each bears. */
  const known = new Map<string, Map<string, Proposed>>()
  const of = (key: string, mark: string): Proposed =>
    entryOf(
      entryOf(known, key, () => new Map<string, Proposed>()),
      mark,
      () => ({ taken: new Set<ChangeId>(), isUnwritten: false }),
    )
  return {
    name: 'proposals',
    on: {
      durable: ({ at, change }, report) => {
        const mark = markOf(change)
        if (mark === undefined) return
        const proposed = of(at.key, mark)
        proposed.taken.add(change.id)
        if (proposed.taken.size > 1)
          report('DUR-6', `${at.key}: ${mark} was written again: ${short(change.id)}`)
        if (proposed.isUnwritten)
          report('DUR-6', `${at.key}: ${mark} was refused for the rate, and was written`)
      },
      unwritten: ({ at, mark, left_ms }, report) => {
        const proposed = of(at.key, mark)
        proposed.isUnwritten = true
        if (proposed.taken.size > 0)
          report('DUR-6', `${at.key}: ${mark} was written, and then refused for the rate`)
        if (left_ms > ENOUGH_MS)
          report('DUR-6', `${at.key}: ${mark} was not offered again, with ${Math.round(left_ms)} ms left`)
      },
      removed: ({ tenant }) => forget(known, tenant),
    },
  }
}

function markOf({ header, bytes }: Change): string | undefined {
  if (!header.kinds.includes('decision')) return undefined
  return MARK.exec(Buffer.from(bytes).toString('latin1'))?.[0]
}
