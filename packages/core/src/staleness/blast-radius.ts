import type { BranchName, ChangeId, EntryId } from '../base/ids.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { ChangeSet } from '../set/change-set.js'
import type { BlastRadius } from './stale.js'
import type { Unit, Units } from './units.js'

/**
 * What was derived from something, with the changes and branches that hold it.
 * @param hit in order
 */
export function describeRadius(set: ChangeSet, units: Units, hit: readonly Unit[]): BlastRadius {
  const entries: EntryId[] = []
  const changes: ChangeId[] = []
  const branches = new Set<BranchName>()
  let last: Node = NO_NODE
  for (const unit of hit) {
    const entry = units.entryOf(unit)
    if (entry !== undefined) entries.push(entry)
    const node = units.nodeOf(unit)
    if (node === last) continue
    changes.push(set.change(node).id)
    const branch = set.tree.branchOf(node)
    if (last === NO_NODE || branch !== set.tree.branchOf(last)) branches.add(branch)
    last = node
  }
  return { entries, changes, branches: [...branches] }
}
