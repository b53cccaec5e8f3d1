import type { Change } from './change.js'
import type { Dag } from './dag.js'
import { WeftError } from './errors.js'
import { isEngineBranch } from './ids.js'
import { LIMITS } from './limits.js'

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
    'merge branches that are done, or write on top of what is there',
    { heads: heads.size },
  )
}
