import { WeftError } from '../base/errors.js'
import { type BranchName, checkBranch, isEngineBranch } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import type { Change } from '../change/change.js'
import type { Branches } from './branches.js'
import type { Dag } from './dag.js'

/**
 * That a context may have one head more, if a change adds one: what depends on a head takes its place.
 * @throws WEFT_CONTEXT_HEADS, or what `Dag.check` throws
 */
export function checkHeads(dag: Dag, change: Change): void {
  const { heads } = dag
  if (heads.size < LIMITS.context_heads_max || isEngineBranch(change.header.branch)) return
  // Causality first: what does not fit cannot be held against what it depends on.
  dag.check(change)
  if (dag.depsOf(change.header).some(dep => heads.has(dep))) return
  throw new WeftError(
    'WEFT_CONTEXT_HEADS',
    `the context has ${heads.size} changes that nothing depends on, all its branches together, and may have no more`,
    'merge branches that are done, or abandon them (`context.abandon`, `weft abandon`), or write on top of what is there',
    { heads: heads.size },
  )
}

/**
 * That branches of these names may begin. Several who do not know of each other may begin the same one; but each adds
 * a head to every branch that it names, and nobody writes on those to join them.
 * @throws WEFT_ID_INVALID · WEFT_BRANCH_EXISTS
 */
export function checkForks(branches: Branches, forks: readonly BranchName[]): void {
  for (const name of forks) {
    checkBranch(name)
    const { length } = branches.heads(name)
    if (length < LIMITS.branch_heads_max) continue
    throw new WeftError(
      'WEFT_BRANCH_EXISTS',
      `the branch ${name} has begun already, ${length} times and more`,
      'choose another name, or open that branch instead of forking it',
      { branch: name },
    )
  }
}
