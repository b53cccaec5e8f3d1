import type { ChangeSet } from './change-set.js'
import { type ConflictValue, checkPointer, disagreeing, readablePointer } from './conflicts.js'
import type { Node } from './dag.js'
import type { AgentId, BranchName, ChangeId } from './ids.js'
import { type Json, pointersTouch } from './json.js'
import { type Dispute, openWritesOf } from './open-writes.js'
import { pointersOf } from './ref.js'
import type { StateDoc } from './state-doc.js'
import type { View } from './view.js'
import { type Act, WriteHistory } from './write-history.js'

/** A change that closed a conflict which its author had seen: who chose what, and why. */
export interface Resolution {
  readonly pointer: string
  /** What it chose; undefined for a deletion. */
  readonly value: Json | undefined
  readonly change: ChangeId
  readonly agent: AgentId
  readonly branch: BranchName
  /** The author's wall clock, ms since 1970 UTC. */
  readonly time: number
  readonly reason: string | undefined
  /** The values that had been in conflict, in order. */
  readonly settled: readonly ConflictValue[]
}

/**
 * The conflicts of a view that somebody has closed, in order: a function of each closing change and its past, so that
 * no later write, and no order of arrival, alters the account.
 * @param pointer only those of this pointer, above it or below it
 * @throws WEFT_POINTER_INVALID
 */
export function findResolutions(set: ChangeSet, view: View, state: StateDoc, pointer?: string): Resolution[] {
  if (pointer !== undefined) checkPointer(pointer)
  const { contested, pasts } = openWritesOf(set, view)
  if (contested.size === 0) return []
  const history = new WriteHistory(pasts, contested)
  for (const node of view.flatten()) history.add(node, pointersOf(set.change(node).header.writes))
  const closed = new Map<Node, Map<string, Closed>>()
  history.eachAct((act, before, after) => {
    for (const each of closedBy(set, state, act, before, after)) {
      const known = closed.get(act.node) ?? new Map<string, Closed>()
      closed.set(act.node, known.set(each.pointer, each))
    }
  })
  return [...closed]
    .sort(([a], [b]) => set.tree.compare(a, b))
    .flatMap(([node, all]) =>
      [...all.values()].sort((a, b) => a.rank - b.rank).map(each => describe(set, state, node, each)),
    )
    .filter(resolution => pointer === undefined || pointersTouch(resolution.pointer, pointer))
}

interface Closed {
  readonly pointer: string
  readonly rank: number
  readonly settled: readonly ConflictValue[]
}

/** What was in conflict where a change wrote, before it did, and is no longer. */
function closedBy(
  set: ChangeSet,
  state: StateDoc,
  { writes }: Act,
  before: readonly Dispute[],
  after: readonly Dispute[],
): Closed[] {
  const left = new Map(after.map(({ pointer, writers }) => [pointer, writers]))
  return before.flatMap(({ pointer, rank, writers }) => {
    if (!writes.some(written => pointersTouch(written.pointer, pointer))) return []
    const settled = disagreeing(set, state, writers)
    if (settled === undefined) return []
    const still = left.get(pointer)
    return still && disagreeing(set, state, still) !== undefined ? [] : [{ pointer, rank, settled }]
  })
}

function describe(set: ChangeSet, state: StateDoc, node: Node, { pointer, settled }: Closed): Resolution {
  const { id, header } = set.change(node)
  return {
    pointer,
    value: state.readAfter(node, readablePointer(pointer)),
    change: id,
    agent: header.agent,
    branch: header.branch,
    time: header.time,
    reason: header.notes.reason,
    settled,
  }
}
