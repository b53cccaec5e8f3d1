import {
  type BranchWriter,
  type CommitIndex,
  type JsonObject,
  planRevert,
  type RevertPlan,
  type RevertTarget,
  type Write,
  withPointers,
} from '@weft/core'
import type { Receipt } from './receipt.js'

export interface RevertOptions {
  /** Only say what it would do. */
  readonly dryRun?: boolean
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
}

/** What was reverted; after a dry run the receipt is of nothing. */
export type Revert = RevertPlan & { readonly receipt: Receipt }

/** A revert as a plan and as the write that carries it out. @throws as `planRevert`, and what `validated` throws */
export function revertWrite(
  { set, branch, state }: BranchWriter,
  target: RevertTarget,
  index: CommitIndex,
  validated: (state: JsonObject) => JsonObject,
): { readonly plan: RevertPlan; readonly write: Write } {
  const plan = planRevert(set, set.view(branch), state, target, index)
  const notes = { reverts: set.dag.packIds(set.nodes(plan.changes)) }
  if (plan.pointers.length === 0) return { plan, write: { notes } }
  return {
    plan,
    write: {
      notes,
      state: validated(withPointers(state.read(), plan.pointers)),
      touches: plan.pointers.map(({ pointer }) => pointer),
    },
  }
}
