import { type BranchName, type ChangeId, type ChangeSet, MAIN_BRANCH, unknownBranch } from '@weft/core'

/**
 * How a branch stands. `open`: it holds what is on no other branch, or is `main`; `empty`: nothing was written on it since
 * it began; `merged`: all that was written on it is on another branch too; `abandoned`: ended, and not gone on with.
 */
export type BranchState = 'open' | 'empty' | 'merged' | 'abandoned'

export interface BranchStatus {
  readonly name: BranchName
  readonly state: BranchState
  readonly heads: readonly ChangeId[]
}

/** @throws WEFT_BRANCH_UNKNOWN */
export function branchStatus(set: ChangeSet, name: BranchName): BranchStatus {
  if (!set.branches.has(name)) throw unknownBranch(name, set.branches.names())
  return { name, state: stateOf(set, name), heads: set.heads(name) }
}

/** Whether a branch ends in changes of its own that nothing depends on. */
export function isUnmerged({ branches, dag, tree }: ChangeSet, name: BranchName): boolean {
  return branches.heads(name).some(head => dag.heads.has(head) && tree.branchOf(head) === name)
}

function stateOf(set: ChangeSet, name: BranchName): BranchState {
  if (name === MAIN_BRANCH || isUnmerged(set, name)) return 'open'
  if (set.abandonments.has(name)) return 'abandoned'
  // A head that carries another name is the fork.
  const isWritten = set.branches.heads(name).some(head => set.tree.branchOf(head) === name)
  return isWritten ? 'merged' : 'empty'
}
