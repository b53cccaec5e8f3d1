import { WeftError } from '../base/errors.js'
import type { BranchName, Position } from '../base/ids.js'
import type { Node } from '../base/node.js'
import type { Change } from '../change/change.js'
import type { CommitIndex } from '../graph/commit-index.js'
import type { ChangeSet } from './change-set.js'

/**
 * The heads of a branch in the first `position` changes of the log.
 * @throws WEFT_POSITION_UNKNOWN when the replica has not been told of them all
 */
export function headsAt(index: CommitIndex, set: ChangeSet, branch: BranchName, position: Position): Node[] {
  const known = index.position
  if (!Number.isSafeInteger(position) || position < 0 || position > known) {
    throw new WeftError(
      'WEFT_POSITION_UNKNOWN',
      `position ${position} is not known here; this replica knows the log up to ${known}`,
      'pass a position from 0 up to that, or flush and wait until the replica has caught up',
      { position, known },
    )
  }
  return position * 2 > known
    ? committedHeads(index, set, branch, position)
    : headsFromStart(index, set, branch, position)
}

/** The heads of a branch among the changes that are known to be in the log, up to a position or wherever they stand. */
export function committedHeads(
  index: CommitIndex,
  set: ChangeSet,
  branch: BranchName,
  upTo: Position = Number.POSITIVE_INFINITY,
): Node[] {
  const { dag } = set
  const open = [...set.branches.heads(branch)]
  const seen = new Set(open)
  const found: Node[] = []
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const change = set.change(node)
    const stands = index.positionOfChange(change)
    if (stands !== undefined && stands <= upTo && isOn(change, branch)) {
      found.push(node)
      continue
    }
    for (let at = dag.depCount(node) - 1; at >= 0; at--) {
      const dep = dag.dep(node, at)
      if (seen.has(dep)) continue
      seen.add(dep)
      open.push(dep)
    }
  }
  return set.maximal(found)
}

function headsFromStart(index: CommitIndex, set: ChangeSet, branch: BranchName, position: Position): Node[] {
  const found: Node[] = []
  for (let at = 1; at <= position; at++) {
    const node = set.dag.node(index.idAt(at)!)
    if (isOn(set.change(node), branch)) found.push(node)
  }
  return set.maximal(found)
}

function isOn({ header }: Change, branch: BranchName): boolean {
  return header.branch === branch || header.notes.forks?.includes(branch) === true
}
