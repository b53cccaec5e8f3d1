import { ABSENT } from '../base/cbor-cursor.js'
import { isEngineKind } from '../refs/engine-kinds.js'
import type { Filter } from '../refs/filter.js'
import { isFencedRef } from '../refs/lease-refs.js'
import { ReadRefs } from '../refs/read-refs.js'
import type { Header } from './header.js'

/** Whether a change is one that a checked filter lets through. Bookkeeping never is. */
export function matchesFilter({ refs, kinds, branches }: Filter, header: Header): boolean {
  if (branches && !branches.includes(header.branch)) return false
  if (kinds ? !header.kinds.some(kind => kinds.includes(kind)) : !isEvent(header)) return false
  return refs === undefined || writesAny(header, refs)
}

/**
 * Whether a change is something that happened: not one that only says who holds what, or how far somebody has come, as
 * those would wake the ones who write them.
 */
function isEvent({ kinds, stateHashAt, writes, notes }: Header): boolean {
  const { forks, merges, abandons, reverts, erases } = notes
  return (
    stateHashAt !== ABSENT ||
    kinds.some(kind => !isEngineKind(kind)) ||
    writes.some(ref => !isFencedRef(ref)) ||
    [forks, merges, abandons, reverts, erases].some(note => note !== undefined)
  )
}

/** By the list of a filter, which is held against change after change. */
const readRefs = new WeakMap<readonly string[], ReadRefs>()

function writesAny({ writes }: Header, refs: readonly string[]): boolean {
  const reads = readRefs.get(refs) ?? new ReadRefs(refs)
  readRefs.set(refs, reads)
  return writes.some(wrote => reads.touchedBy(wrote) !== undefined)
}
