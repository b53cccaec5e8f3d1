import { WeftError } from '../base/errors.js'
import { ABANDONED_BRANCH, type AgentId, type BranchName, checkBranch, MAIN_BRANCH } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import type { Host } from '../base/ports.js'
import type { Change } from '../change/change.js'
import type { Branches } from '../graph/branches.js'
import type { ChangeSet } from '../set/change-set.js'
import { unknownBranch } from './branch-writer.js'
import { sealLone } from './lone-change.js'

/** Of the heads that one change can depend on, as many are left to what was abandoned before. */
const HEADS_A_CHANGE = LIMITS.deps_max / 2
/** Of the bytes that a header may have, as many are left to all the rest of it. */
const NAME_BYTES_A_CHANGE = LIMITS.header_bytes_max / 4

export interface Abandoner {
  readonly agent: AgentId
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
}

/** That branches of these names can be abandoned. @throws WEFT_BRANCH_UNKNOWN · WEFT_ID_INVALID, of `main` too */
export function checkAbandonable(branches: Branches, names: readonly BranchName[]): void {
  for (const name of names) {
    if (checkBranch(name) === MAIN_BRANCH) throw mainStays()
    if (!branches.has(name)) throw unknownBranch(name, branches.names())
  }
}

/**
 * Abandons branches, with all that is known of them here.
 * @returns the changes that do, in the set already: one for each few hundred branches
 * @throws as `checkAbandonable`; then nothing has changed
 */
export function abandon(
  set: ChangeSet,
  names: readonly BranchName[],
  { agent, reason }: Abandoner,
  host: Host,
): Change[] {
  const { branches, dag } = set
  checkAbandonable(branches, names)
  return portions(branches, [...new Set(names)]).map(abandons => {
    const ended = [ABANDONED_BRANCH, ...abandons].flatMap(name => branches.heads(name))
    const notes = { abandons, ...(reason !== undefined && { reason }) }
    const deps = set.maximal(ended)
    const change = sealLone(dag, { branch: ABANDONED_BRANCH, agent, deps, writes: [], notes }, host)
    set.add(change)
    return change
  })
}

/** As many names at a time as one change can hold, with their heads. */
function portions(branches: Branches, names: readonly BranchName[]): BranchName[][] {
  const all: BranchName[][] = []
  let [heads, bytes] = [HEADS_A_CHANGE, NAME_BYTES_A_CHANGE]
  for (const name of names) {
    heads += branches.heads(name).length
    bytes += name.length
    if (heads > HEADS_A_CHANGE || bytes > NAME_BYTES_A_CHANGE) {
      all.push([])
      ;[heads, bytes] = [branches.heads(name).length, name.length]
    }
    all.at(-1)!.push(name)
  }
  return all
}

function mainStays(): WeftError {
  return new WeftError(
    'WEFT_ID_INVALID',
    'the branch main cannot be abandoned',
    'name the branches that were forked from it; if all work is done, complete the context',
    { branch: MAIN_BRANCH },
  )
}
