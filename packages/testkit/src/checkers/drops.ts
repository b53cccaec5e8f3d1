import { type ChangeId, OVERLAY_WORKFLOW } from '@weft/core'
import { type Checker, entryOf, short } from '../checker.js'
import { isJoin, revokesAll } from './own-changes.js'

interface Tenant {
  /** Somebody wants it dropped, and has not been told that it is done. */
  isWanted: boolean
  /** The peer that runs is at it. */
  isUnderWay: boolean
  /** Who was connected when it was asked for, and has not been told yet why that ends. */
  readonly untold: Set<string>
  /** What was removed since it was asked for. */
  heads: number
  changes: number
  /** What was left when some of it had been removed. */
  left: number
  /** What workers have offered since there was nothing left; undefined while the tenant is as it began. */
  offered: Set<ChangeId> | undefined
  /** Tokens that were issued by this second are revoked with all that was there. */
  revoked_s: number | undefined
  /** What says so was damaged: what cannot be read is not in force. */
  isDamaged: boolean
}

/**
 * A tenant that was dropped is gone from the disk but for the one change that revokes its tokens, and what is said to be
 * removed is what was; nobody else loses a row; its workers are told why they are sent away, and nobody who has a token
 * from before is let in again, also after a peer that died in the middle of it; nothing comes back but what a worker offers that was let in after it (TEN-4).
 */
export function drops(): Checker {
  const tenants = new Map<string, Tenant>()
  const of = (tenant: string): Tenant =>
    entryOf(tenants, tenant, () => ({
      isWanted: false,
      isUnderWay: false,
      untold: new Set(),
      heads: 0,
      changes: 0,
      left: 0,
      offered: undefined,
      revoked_s: undefined,
      isDamaged: false,
    }))
  return {
    name: 'drops',
    on: {
      dropping: ({ tenant, connected }) => {
        const it = of(tenant)
        it.untold.clear()
        for (const process of connected) it.untold.add(process)
        Object.assign(it, { isWanted: true, isUnderWay: true, heads: 0, changes: 0 })
      },
      undropped: ({ tenant }) => {
        of(tenant).isUnderWay = false
      },
      ended: ({ tenant, process, code }) => {
        if (code === SENT_AWAY) of(tenant).untold.delete(process)
      },
      answered: ({ process, token: { tenant, id, issued_s } }, report) => {
        const { isWanted, isUnderWay, left, offered, revoked_s, isDamaged } = of(tenant)
        if (isWanted && !isUnderWay && left > 0)
          report(
            'TEN-4',
            `${process} is answered from ${left} rows that a drop of ${tenant} has left when it was cut short`,
          )
        else if (isWanted && !isUnderWay && offered !== undefined && revoked_s === undefined && !isDamaged)
          report(
            'TEN-4',
            `${process} is answered after a drop of ${tenant} that was cut short, and no token is revoked`,
          )
        if (isUnderWay) report('TEN-4', `${process} is answered while ${tenant} is being dropped`)
        if (revoked_s !== undefined && issued_s <= revoked_s && !isDamaged)
          report('TEN-4', `${process} is answered by ${id}, which was issued before ${tenant} was dropped`)
      },
      removed: ({ tenant, heads, changes, left }, report) => {
        const it = of(tenant)
        if (!it.isWanted)
          report(
            'TEN-4',
            `${heads} heads and ${changes} changes of ${tenant} are gone, and nobody wanted that`,
          )
        it.heads += heads
        it.changes += changes
        it.left = left
        it.offered = new Set()
        it.revoked_s = undefined
        it.isDamaged = false
      },
      flipped: ({ tenant, isOverlay }) => {
        if (isOverlay) of(tenant).isDamaged = true
      },
      offered: ({ at, change }) => void of(at.tenant).offered?.add(change.id),
      durable: ({ at, change }, report) => {
        const it = of(at.tenant)
        const revoked_s = revokesAll(at, change)
        if (revoked_s !== undefined) it.revoked_s = revoked_s
        else if (it.offered !== undefined && !it.offered.has(change.id) && !isJoin(change))
          report('TEN-4', `${at.key}: ${short(change.id)} is there again, and nobody has offered it again`)
      },
      dropped: ({ tenant, workflows, changes, rows }, report) => {
        const it = of(tenant)
        if (workflows !== it.heads || changes !== it.changes)
          report(
            'TEN-4',
            `the drop of ${tenant} says that it removed ${changes} changes of ${workflows} workflows, and it was ` +
              `${it.changes} of ${it.heads}`,
          )
        const left = rows.filter(key => !leftBehind(tenant).includes(key))
        if (left.length > 0)
          report('TEN-4', `the drop of ${tenant} is done, and has left ${left.length} rows: ${told(left)}`)
        if (it.revoked_s === undefined)
          report('TEN-4', `${tenant} was dropped, and its tokens are not revoked`)
        for (const process of it.untold)
          report('TEN-4', `${tenant} was dropped, and ${process} was not told why its connection ends`)
        it.isWanted = false
        it.isUnderWay = false
      },
    },
  }
}

const SENT_AWAY = 'WEFT_TOKEN_REVOKED'

/** The rows of a context of one change, and what it takes. */
function leftBehind(tenant: string): string[] {
  const first = '1'.padStart(14, '0')
  const record = [tenant, 'l', OVERLAY_WORKFLOW, first].join('\0')
  return [[tenant, 'h', OVERLAY_WORKFLOW].join('\0'), record, `!usage\0${tenant}`]
}

function told(keys: readonly string[]): string {
  return keys
    .slice(0, 4)
    .map(key => JSON.stringify(key))
    .join(', ')
}
