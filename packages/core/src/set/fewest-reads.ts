import type { EntryId } from '../base/ids.js'
import { entryOf } from '../refs/ref.js'
import type { ChangeSet } from './change-set.js'

/** So many entries a manifest names. */
const ENTRIES_READ_MAX = 512

/**
 * What a step that saw these entries was derived from, in as few as will do: an entry that another one of
 * them was derived from already is reached through that one (STL-4). In the turns of an agent these are its last answer
 * and what has come since. Where they are still too many for a header, first those go that were derived from nothing,
 * and so cannot become stale; of either the oldest.
 */
export function fewestReads(set: ChangeSet, seen: Iterable<EntryId>): EntryId[] {
  const open = new Set(seen)
  const reached = new Set<EntryId>()
  const named: EntryId[] = []
  for (const id of newestFirst(set, open)) {
    if (reached.has(id)) continue
    named.push(id)
    const spread = [id]
    for (let next = spread.pop(); next !== undefined; next = spread.pop()) {
      for (const source of sourcesOf(set, next)) {
        if (!open.has(source) || reached.has(source)) continue
        reached.add(source)
        spread.push(source)
      }
    }
  }
  const derives = (id: EntryId): boolean => readsOf(set, id).length > 0
  return [...named.filter(derives), ...named.filter(id => !derives(id))].slice(0, ENTRIES_READ_MAX).sort()
}

function newestFirst(set: ChangeSet, ids: Iterable<EntryId>): EntryId[] {
  const placed = [...ids].map(id => ({ id, node: set.dag.node(id.slice(0, id.indexOf('.'))) }))
  return placed.sort((a, b) => set.tree.compare(b.node, a.node)).map(({ id }) => id)
}

function sourcesOf(set: ChangeSet, id: EntryId): EntryId[] {
  return readsOf(set, id).flatMap(({ ref }) => entryOf(ref) ?? [])
}

function readsOf(set: ChangeSet, id: EntryId) {
  const [change = '', index] = id.split('.')
  return set.entriesOf(set.dag.node(change))[Number(index)]?.reads ?? []
}
