import { type BranchName, type Change, type ChangeId, ERASURES_BRANCH } from '@weft/core'
import { type Checker, entryOf, forget, type Report, short } from '../checker.js'
import type { Place } from '../observation.js'
import { Pasts } from '../pasts.js'
import { SIM_LIMITS } from '../sim-limits.js'

interface Log {
  /** By position from 1. */
  readonly changes: Change[]
  readonly pasts: Pasts
  readonly heads: Map<BranchName, ChangeId[]>
  /** The last change, where it has left its branch with too many heads. */
  crowding: Change | undefined
  /** Its end was lost: its heads are those of what is left. */
  isShorter: boolean
}

const { branch_heads_max } = SIM_LIMITS

/**
 * A writer can name all heads of a branch (CHG-2): in a log a change leaves the branch that it carries with so many heads
 * at most, or with one more and stands right before the one that joins them. Where a branch was only forked nobody joins.
 */
export function heads(): Checker {
  const logs = new Map<string, Log>()
  const logOf = (at: Place): Log =>
    entryOf(logs, at.key, () => ({
      changes: [],
      pasts: new Pasts(),
      heads: new Map(),
      crowding: undefined,
      isShorter: false,
    }))

  const checkJoined = (at: Place, log: Log, report: Report): void => {
    const { crowding } = log
    if (crowding === undefined) return
    const { branch } = crowding.header
    const { length } = log.heads.get(branch) ?? []
    if (length > branch_heads_max)
      report(
        'CHG-2',
        `${at.key}: ${branch} has ${length} heads, and what comes after ${short(crowding.id)} does not join them`,
      )
    log.crowding = undefined
  }

  return {
    name: 'heads',
    on: {
      durable: ({ change, position, at }, report) => {
        const log = logOf(at)
        if (log.isShorter) recount(log)
        if (log.changes[position]?.id === change.id) return
        log.changes[position] = change
        const { branch } = change.header
        const { length } = count(log, change)
        checkJoined(at, log, report)
        if (length > branch_heads_max && branch !== ERASURES_BRANCH) log.crowding = change
      },
      lost: ({ position, at }) => {
        const log = logOf(at)
        log.changes.length = Math.min(log.changes.length, position)
        log.isShorter = true
      },
      removed: ({ tenant }) => forget(logs, tenant),
      log: ({ at }, report) => checkJoined(at, logOf(at), report),
    },
  }
}

/** @returns the heads of its branch when it has come */
function count({ heads, pasts }: Log, change: Change): readonly ChangeId[] {
  pasts.add(change)
  const { branch, notes } = change.header
  for (const name of new Set([branch, ...(notes.forks ?? [])])) {
    const others = (heads.get(name) ?? []).filter(head => !pasts.isBefore(head, change.id))
    heads.set(name, [...others, change.id])
  }
  return heads.get(branch)!
}

function recount(log: Log): void {
  log.heads.clear()
  log.crowding = undefined
  log.isShorter = false
  log.changes.forEach(change => void count(log, change))
}
