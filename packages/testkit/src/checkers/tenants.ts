import type { ChangeId } from '@weft/core'
import { type Checker, entryOf, type Report, short } from '../checker.js'
import type { Place } from '../observation.js'
import { isJoin, revokesAll } from './own-changes.js'

/**
 * What a tenant's workers have not written is nowhere to be found under its name: not on the disk, not on the way to a
 * replica (TEN-1, TEN-2). Nor is anything that nobody has written: a flipped bit makes another change (DUR-4).
 */
export function tenants(): Checker {
  /** Who has offered a change. The same initial state is written by several. */
  const authors = new Map<ChangeId, Set<string>>()

  const authorsOf = (id: ChangeId): Set<string> => entryOf(authors, id, () => new Set())

  const check = (where: string, law: string, at: Place, id: ChangeId, report: Report): void => {
    const by = authors.get(id)
    if (by === undefined) report('DUR-4', `${where}: ${short(id)} of ${at.key} was written by nobody`)
    else if (!by.has(at.tenant)) report(law, `${where}: ${short(id)} of ${at.key} was written by ${[...by]}`)
  }

  return {
    name: 'tenants',
    on: {
      offered: ({ at, change }) => void authorsOf(change.id).add(at.tenant),
      stray: ({ key }, report) =>
        report('TEN-2', `the disk holds a row that names no tenant: ${JSON.stringify(key.slice(0, 80))}`),
      durable: ({ change, at }, report) => {
        if (isJoin(change) || revokesAll(at, change) !== undefined) authorsOf(change.id).add(at.tenant)
        check('the disk', 'TEN-2', at, change.id, report)
      },
      served: ({ process, change, at }, report) => check(process, 'TEN-1', at, change.id, report),
      garbled: ({ process, position, at }, report) =>
        report('DUR-4', `${process}: what was sent of ${at.key} at ${position} is no change`),
      acked: ({ process, id, at }, report) => check(process, 'TEN-1', at, id, report),
    },
  }
}
