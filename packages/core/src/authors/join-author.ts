import type { BranchName } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import type { Host } from '../base/ports.js'
import type { Change } from '../change/change.js'
import type { Admission } from '../set/admission.js'
import { WEFT_AGENT } from './derived-change.js'
import { sealLone } from './lone-change.js'

/**
 * The change that has the heads of a branch in its past and does nothing else: a peer puts it into the log before they are
 * more than a writer can name. Of more than one change can depend on, the first.
 */
export function sealJoin({ dag, branches }: Admission, branch: BranchName, host: Host): Change {
  const deps = branches.heads(branch).slice(0, LIMITS.deps_max)
  const notes = { reason: `joins ${deps.length} heads` }
  return sealLone(dag, { branch, agent: WEFT_AGENT, deps, writes: [], notes }, host)
}
