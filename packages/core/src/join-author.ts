import type { Admission } from './admission.js'
import { newActor } from './branch-writer.js'
import { type Change, sealChange } from './change.js'
import { WEFT_AGENT } from './derived-change.js'
import type { BranchName } from './ids.js'
import { LIMITS } from './limits.js'
import type { Host } from './ports.js'

/**
 * The change that has the heads of a branch in its past and does nothing else, by an actor of its own: a peer puts it
 * into the log before they are more than a writer can name. Of more than one change can depend on, the first.
 */
export function sealJoin({ dag, branches }: Admission, branch: BranchName, host: Host): Change {
  const deps = branches.heads(branch).slice(0, LIMITS.deps_max)
  return sealChange(
    {
      actor: newActor(host.random),
      seq: 1,
      lamport: 1 + deps.reduce((most, node) => Math.max(most, dag.lamport(node)), 0),
      time: host.now(),
      branch,
      agent: WEFT_AGENT,
      deps: dag.packIds(deps),
      kinds: [],
      values: [],
      state: null,
      writes: [],
      reads: [],
      notes: { reason: `joins ${deps.length} heads` },
    },
    host,
  )
}
