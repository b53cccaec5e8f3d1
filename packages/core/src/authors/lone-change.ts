import type { AgentId, BranchName } from '../base/ids.js'
import type { Node } from '../base/node.js'
import type { Host } from '../base/ports.js'
import { type Change, sealChange } from '../change/change.js'
import type { HeaderNotes } from '../change/header.js'
import type { Dag } from '../graph/dag.js'
import { newActor } from './branch-writer.js'

export interface LoneChange {
  readonly branch: BranchName
  readonly agent: AgentId
  readonly deps: readonly Node[]
  readonly writes: readonly string[]
  readonly notes: HeaderNotes
}

/** A change without content, by an actor of its own: what is to be said of a log, and not on a branch that work is done on. @throws WEFT_CHANGE_TOO_LARGE */
export function sealLone(dag: Dag, { branch, agent, deps, writes, notes }: LoneChange, host: Host): Change {
  return sealChange(
    {
      actor: newActor(host.random),
      seq: 1,
      lamport: 1 + deps.reduce((most, node) => Math.max(most, dag.lamport(node)), 0),
      time: host.now(),
      branch,
      agent,
      deps: dag.packIds(deps),
      kinds: [],
      values: [],
      state: null,
      writes,
      reads: [],
      notes,
    },
    host,
  )
}
