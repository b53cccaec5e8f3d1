import type { Change, ChangeId } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import { Pasts } from '../pasts.js'

/** A step depends on the heads that it began at and on nothing else, and is shown nothing beside their past (STP-1). */
export function steps(): Checker {
  const changes = new Map<ChangeId, Change>()
  const pasts = new Map<string, Pasts>()
  return {
    name: 'steps',
    on: {
      arrived: ({ change, at }) => {
        changes.set(change.id, change)
        entryOf(pasts, at.key, () => new Pasts()).add(change)
      },
      stepped: ({ id, heads, shown, at }, report) => {
        const deps = changes.get(id)?.header.deps ?? []
        const past = entryOf(pasts, at.key, () => new Pasts())
        const unseen = (other: ChangeId) => !heads.some(head => head === other || past.isBefore(other, head))
        const claimed = deps.filter(unseen)
        if (claimed.length > 0)
          report('STP-1', `${at.key}: step ${short(id)} claims to have seen ${claimed.map(short)}`)
        const late = shown.filter(unseen)
        if (late.length > 0)
          report(
            'STP-1',
            `${at.key}: step ${short(id)} was shown ${late.map(short)}, which came after it began`,
          )
      },
    },
  }
}
