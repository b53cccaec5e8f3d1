import {
  type ChangeId,
  type Conflict,
  type Json,
  type JsonObject,
  jsonEquals,
  pointersTouch,
  type Resolution,
  sayWritten,
  stateRef,
  WeftError,
} from '@weft/core'
import { withValueAt } from '../base/pointer-write.js'

/** A resolution that is asked for. */
export interface Settling {
  readonly pointer: string
  /** Undefined deletes. */
  readonly value: Json | undefined
  readonly agent: string
}

/** What is looked at to tell whether there is something to settle. */
export interface SettlingView {
  /** Conflicts that are open in what the author has seen. */
  readonly conflicts: readonly Conflict[]
  /** Those that were settled at the pointer, above or below it, as the branch shows them now. */
  readonly resolutions: readonly Resolution[]
  /** Whether the author has seen a change; undefined when the author has not said what. */
  readonly hasSeen: ((change: ChangeId) => boolean) | undefined
  readonly writesOf: (change: ChangeId) => readonly string[]
  /** The state as the author of a change saw it before that, and right after it. */
  readonly stateBefore: (change: ChangeId) => JsonObject
  readonly stateAt: (change: ChangeId) => JsonObject
  /** A state as the definition has it. */
  readonly validated: (state: JsonObject) => JsonObject
}

/**
 * The change by which the same agent has settled the same, without its having seen that; undefined while a conflict is
 * open to be settled.
 * @throws WEFT_CONFLICT_UNKNOWN when there is neither
 */
export function settledBefore(settling: Settling, view: SettlingView): ChangeId | undefined {
  const { conflicts, resolutions, hasSeen } = view
  const isOpen = conflicts.some(({ pointer }) => pointersTouch(pointer, settling.pointer))
  if (isOpen && hasSeen === undefined) return undefined
  const before = resolutions.find(({ change, agent }) => {
    if (agent !== settling.agent || hasSeen?.(change)) return false
    return isSame(settling, change, view)
  })
  if (before === undefined && !isOpen) throw nothingOpen(settling, resolutions.at(-1))
  return before?.change
}

/** That a conflict is open at a pointer, above it or below it. @throws WEFT_CONFLICT_UNKNOWN */
export function checkOpen(pointer: string, conflicts: readonly Conflict[]): void {
  if (!conflicts.some(conflict => pointersTouch(conflict.pointer, pointer)))
    throw nothingOpen({ pointer }, undefined)
}

/** Whether a change wrote at the pointer, and settling it once more would alter nothing of what it wrote. */
function isSame(
  { pointer, value }: Settling,
  change: ChangeId,
  { writesOf, stateBefore, stateAt, validated }: SettlingView,
): boolean {
  if (!writesOf(change).includes(stateRef(pointer))) return false
  const after = stateAt(change)
  // To take an item out of a list once more would take out the next one.
  return [stateBefore, () => after].some(state =>
    jsonEquals(validated(withValueAt(state(change), pointer, value)), after),
  )
}

function nothingOpen({ pointer }: Pick<Settling, 'pointer'>, last: Resolution | undefined): WeftError {
  const by = last && { change: last.change, agent: last.agent, pointer: last.pointer }
  return new WeftError(
    'WEFT_CONFLICT_UNKNOWN',
    `no conflict is open at ${JSON.stringify(sayWritten(pointer))}` +
      (by ? `; the last one was settled by ${by.agent}, with ${by.change.slice(0, 12)}` : ''),
    'read the state, which tells what is in conflict; to write where nothing is, write a change',
    { pointer, ...(by && { resolved: by }) },
  )
}
