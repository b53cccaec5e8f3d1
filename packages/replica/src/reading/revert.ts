import {
  type BranchWriter,
  type CommitIndex,
  type JsonObject,
  planRevert,
  type RevertPlan,
  type RevertTarget,
  WeftError,
  type Write,
  withPointers,
} from '@weft/core'
import { checkList, checkObject } from '../base/arguments.js'
import type { Receipt } from '../base/receipt.js'

export interface RevertOptions {
  /** Only say what it would do. */
  readonly dryRun?: boolean
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
}

/** What was reverted; after a dry run the receipt is of nothing. */
export type Revert = RevertPlan & { readonly receipt: Receipt }

const TARGETS = 'pass { change }, { changes }, { actor }, { from, to } or { blastRadius }'
/** The names by which each target is given. */
const NAMES = [['change'], ['changes'], ['actor'], ['from', 'to'], ['blastRadius']] as const

/** Returns a target if it is just one: of two, one would be passed over. @throws WEFT_USAGE */
export function checkTarget(target: RevertTarget): RevertTarget {
  const given = Object.entries(checkObject('what revert was given', target, TARGETS))
  const names = given.flatMap(([name, value]) => (value === undefined ? [] : [name]))
  const isOne = NAMES.some(all => all.length === names.length && all.every(name => names.includes(name)))
  if (isOne && 'changes' in target && target.changes !== undefined)
    checkList('the list of changes to revert', target.changes, TARGETS)
  if (isOne) return Object.fromEntries(given.filter(([name]) => names.includes(name))) as RevertTarget
  const what = names.length === 0 ? 'no target' : `${names.join(', ').slice(0, 80)}, which is not one target`
  throw new WeftError('WEFT_USAGE', `revert was given ${what}`, TARGETS)
}

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
