import type {
  BranchName,
  ChangeId,
  ChangeSet,
  EntryId,
  EntrySchemas,
  HeaderNotes,
  Position,
  Write,
} from '@weft/core'
import type { WaitOptions } from '../base/waiting.js'
import type { Expectations } from '../sync/expectations.js'
import type { StepOverlays } from '../overlays/step-overlays.js'
import type { Gate } from '../reading/conflict-gate.js'
import type { Accepted } from '../writing/proposer.js'
import { StepSignal } from './step-signal.js'
import type { Step } from './step.js'

export interface StepOptions extends WaitOptions {
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
  /** W3C traceparent of the work the step is part of. */
  readonly trace?: string
  /** Start only when the branch has no open conflict; until then wait. */
  readonly requires?: Gate
  /** What must still hold when the peer takes the step's change (DUR-6); then it is visible only when it has. */
  readonly expect?: Expectations
  /** `shared`: others can watch and edit the scratch from the beginning, under `step.scratch.address`. */
  readonly scratch?: 'local' | 'shared'
}

export interface StepResult<T> {
  /** What the work returned. */
  readonly value: T
  readonly position: Position
  /** Undefined when the step wrote nothing. */
  readonly change: ChangeId | undefined
  readonly entries: readonly EntryId[]
}

/**
 * Runs the work of a step; when it throws, the step is over, and its signal says why.
 * @param outer what else ends it
 */
export async function runStep<T, State, Entries extends EntrySchemas>(
  begin: (stop: StepSignal) => Step<State, Entries>,
  work: (step: Step<State, Entries>) => Promise<T> | T,
  outer: readonly AbortSignal[],
): Promise<{ readonly step: Step<State, Entries>; readonly value: T }> {
  const stop = new StepSignal(outer)
  const step = begin(stop)
  try {
    const value = await work(step)
    stop.throwIfAborted()
    return { step, value }
  } catch (error) {
    step.abandon()
    stop.abort(error)
    throw error
  }
}

/** What a step comes to. */
export interface FinishedStep {
  /** Undefined when it wrote nothing. */
  readonly write: Write | undefined
  /** What has come of its effects, which it depends on beside its snapshot. */
  readonly effects: readonly ChangeId[]
}

export function finishStep<State, Entries extends EntrySchemas>(
  step: Step<State, Entries>,
  definition: { readonly name: string; readonly version: number },
  options: StepOptions,
): FinishedStep {
  const { entries, reads, state, effects } = step.finish()
  if (entries.length === 0 && state === undefined) return { write: undefined, effects }
  const notes = { ...stepNotes(step, definition, options), ...step.windows.notes() }
  return { write: { entries, reads, notes, ...(state && { state }) }, effects }
}

/** @param position where the log is known to, for a step that wrote nothing */
export function stepResult<T>(value: T, accepted: Accepted | undefined, position: Position): StepResult<T> {
  return accepted ? { value, ...accepted } : { value, position, change: undefined, entries: [] }
}

/** What the header of a step's change says of it (STP-2). */
function stepNotes(
  { name, overlays }: { readonly name: string; readonly overlays?: StepOverlays | undefined },
  { name: schema, version }: { readonly name: string; readonly version: number },
  { reason, trace }: StepOptions,
): HeaderNotes {
  return {
    step: name,
    schema: { name: schema, version },
    ...(overlays && { overlays: overlays.note }),
    ...(reason !== undefined && { reason }),
    ...(trace !== undefined && { trace }),
  }
}

/**
 * What a step expects of the heads of its branch, when it has run effects: these have moved them since, and are its own.
 * Heads that are not here are left as they are, for the peer to refuse.
 */
export function expectingEffects(
  set: ChangeSet,
  branch: BranchName,
  expect: Expectations,
  effects: readonly ChangeId[],
): Expectations {
  const { heads } = expect
  const own = isList(heads) ? heads : heads?.[branch]
  if (own === undefined || effects.length === 0 || !own.every(id => set.has(id))) return expect
  const moved = set.ids(set.maximal(set.nodes([...own, ...effects])))
  return { ...expect, heads: isList(heads) ? moved : { ...heads, [branch]: moved } }
}

function isList(value: unknown): value is readonly ChangeId[] {
  return Array.isArray(value)
}
