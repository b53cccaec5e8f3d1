import { WeftError } from '../base/errors.js'
import { type ChangeId, type EntryId, changeOfEntry, indexOfEntry } from '../base/ids.js'
import { entryOf } from '../refs/ref.js'
import type { ManifestRef } from './header.js'

/**
 * Checks that there is every entry that a manifest names.
 * @param countIn how many entries a change has, as far as that is known; undefined for a change that is not here
 * @throws WEFT_ENTRY_UNKNOWN
 */
export function checkManifest(
  reads: readonly ManifestRef[],
  countIn: (change: ChangeId) => number | undefined,
): void {
  for (const { ref } of reads) {
    const entry = entryOf(ref)
    if (entry === undefined) continue
    if (indexOfEntry(entry) >= (countIn(changeOfEntry(entry)) ?? 0)) throw unknown(entry)
  }
}

/**
 * What each entry of a change was derived from. Entries that name nothing of their own share one list: 4,096 entries with
 * 4,096 reads would have 16 million.
 */
export function readsByEntry(reads: readonly ManifestRef[]): (entry: number) => readonly ManifestRef[] {
  const named = new Set(reads.flatMap(({ entry }) => entry ?? []))
  if (named.size === 0) {
    const all = Object.freeze(reads)
    return () => all
  }
  const shared = Object.freeze(reads.filter(read => read.entry === undefined))
  return entry =>
    named.has(entry) ? reads.filter(read => read.entry === undefined || read.entry === entry) : shared
}

function unknown(entry: EntryId): WeftError {
  return new WeftError(
    'WEFT_ENTRY_UNKNOWN',
    `there is no entry ${entry.slice(0, 80)} that something could be derived from`,
    'name entries by the `id` that they are read with; one that was written elsewhere has to be synced first',
    { entry },
  )
}
