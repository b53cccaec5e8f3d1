import type { EntryId } from '../base/ids.js'
import { entryOf } from '../refs/ref.js'
import { readsByEntry } from '../change/manifest.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import type { Compare, Derived, StaleCauses } from './stale-causes.js'
import type { Stale } from './stale.js'
import type { SummaryReads } from './summary-reads.js'
import { SORTED_SHARE, type Unit, type Units } from './units.js'

/** What is known of those that are stale, in order. */
export function describeStale(
  unsorted: readonly Unit[],
  set: ChangeSet,
  view: View,
  units: Units,
  stale: ReadonlySet<Unit>,
  summaries: SummaryReads,
  causes: StaleCauses,
): Stale[] {
  const sorted = units.inOrder(unsorted)
  const { derived, at } = derivations(sorted, set, units, summaries)
  const causesOf = [...causes.of(derived, orderIn(set, view))]
  const viaOf = derived.map(each => via(each, set, units, stale))
  return sorted.map((unit, index) => {
    const node = units.nodeOf(unit)
    return {
      change: set.change(node).id,
      entry: units.entryOf(unit),
      branch: set.tree.branchOf(node),
      ...causesOf[at[index]!]!,
      via: viaOf[at[index]!]!,
    }
  })
}

/** What units in order were derived from, once for all entries of a change that share it; and which of these is whose. */
function derivations(
  sorted: readonly Unit[],
  set: ChangeSet,
  units: Units,
  summaries: SummaryReads,
): { readonly derived: Derived[]; readonly at: number[] } {
  const derived: Derived[] = []
  let readsOf = readsByEntry(NONE)
  const at = sorted.map((unit, index) => {
    const node = units.nodeOf(unit)
    const place = units.firstOf(node)
    const isNext = index === 0 || units.nodeOf(sorted[index - 1]!) !== node
    if (isNext) readsOf = readsByEntry(set.change(node).header.reads)
    const reads = readsOf(unit - place)
    if (!isNext && derived.at(-1)!.reads === reads) return derived.length - 1
    const late = set.summaries.has(node) ? summaries.lateTo(node) : NONE
    return derived.push({ node, place, reads, late }) - 1
  })
  return { derived, at }
}

/** The order of the context; to sort many by, as the view has it anyway. */
function orderIn(set: ChangeSet, view: View): (count: number) => Compare {
  let places: Int32Array | undefined
  const flattened = (): Int32Array => {
    const found = new Int32Array(set.size)
    let place = 0
    for (const node of view.flatten()) found[node] = place++
    return found
  }
  return count => {
    if (places === undefined && count < view.size * SORTED_SHARE) return (a, b) => set.tree.compare(a, b)
    places ??= flattened()
    const known = places
    return (a, b) => known[a]! - known[b]!
  }
}

/** Stale entries that something was derived from. */
function via({ node, reads }: Derived, set: ChangeSet, units: Units, stale: ReadonlySet<Unit>): EntryId[] {
  const read = reads.flatMap(({ ref }) => {
    const source = entryOf(ref)
    const unit = source === undefined ? undefined : units.find(source)
    return unit !== undefined && stale.has(unit) ? [source!] : []
  })
  if (!set.summaries.has(node)) return read
  const { nodes } = set.summaries.rangeOf(node)
  const within = [...stale].filter(each => nodes.has(units.nodeOf(each)))
  return [...read, ...units.inOrder(within).flatMap(each => units.entryOf(each) ?? [])]
}

const NONE: readonly never[] = []
