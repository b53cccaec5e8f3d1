import { fromHex } from '../base/bytes.js'
import { type AgentId, type Position, WAKES_BRANCH } from '../base/ids.js'
import type { Host } from '../base/ports.js'
import type { Filter } from '../refs/filter.js'
import { wakeRef } from '../refs/lease-refs.js'
import type { Change } from '../change/change.js'
import { wakeNote } from '../notes/wakes.js'
import type { Admission } from '../set/admission.js'
import { sealLone } from './lone-change.js'

/** How far a subscription is, as the one says who keeps it: a peer that delivers it by itself. */
export interface OwnMark {
  readonly name: string
  readonly filter: Filter
  readonly upTo: Position
  readonly agent: AgentId
}

/** The change that says so. @throws WEFT_ID_INVALID */
export function sealMark(admission: Admission, { name, filter, upTo, agent }: OwnMark, host: Host): Change {
  const { dag, branches, leases } = admission
  const deps = branches.heads(WAKES_BRANCH)
  const on = wakeRef(name)
  const lease = { on, epoch: (leases.get(on)?.epoch ?? 0) + 1, ttl_ms: 0 }
  const last = fromHex(upTo === 0 ? '' : dag.id(upTo - 1))
  const notes = { lease, wake: wakeNote(upTo, last, filter) }
  return sealLone(dag, { branch: WAKES_BRANCH, agent, deps, writes: [on], notes }, host)
}
