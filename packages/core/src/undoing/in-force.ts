import { WeftError } from '../base/errors.js'
import { type BranchName, ERASURES_BRANCH, isEngineBranch } from '../base/ids.js'
import {
  childPointer,
  isContainer,
  isJsonArray,
  type Json,
  type JsonObject,
  jsonEquals,
} from '../base/json.js'
import { listSteps } from '../base/list-alignment.js'
import type { Hash } from '../base/ports.js'
import { ChangeSet } from '../set/change-set.js'
import { StateDoc } from '../state/state-doc.js'
import { BranchWriter, type Write } from '../authors/branch-writer.js'
import { WEFT_AGENT } from '../authors/derived-change.js'

/** What a branch would not show any more. */
interface Shown {
  readonly branch: BranchName
  readonly pointers: readonly string[]
}

/**
 * A value that a branch shows now has no other to stand in its place. What was abandoned is history; what was merged is
 * not, for whoever merges may go on there.
 * @param write what would erase it
 * @throws WEFT_ERASE_IN_FORCE
 */
export function checkNotInForce(set: ChangeSet, write: Write, hash: Hash): void {
  const trial = new ChangeSet(hash)
  for (const change of set.changes()) trial.add(change, true)
  const host = { hash, random: () => {}, now: () => 0 }
  new BranchWriter(trial, host, ERASURES_BRANCH, WEFT_AGENT).write(write)
  const shown = set.branches
    .names()
    .filter(name => !isEngineBranch(name) && !set.abandonments.has(name))
    .flatMap(branch => {
      const pointers = differences(stateOf(set, branch), stateOf(trial, branch))
      return pointers.length === 0 ? [] : [{ branch, pointers }]
    })
  if (shown.length > 0) throw inForce(shown)
}

function stateOf(set: ChangeSet, branch: BranchName): Json {
  const state = new StateDoc(set, set.view(branch))
  try {
    return state.read()
  } finally {
    state.free()
  }
}

/** Where two states differ, as far down as both have the same shape: pointers into the first. */
function differences(now: Json, then: Json, pointer = ''): string[] {
  if (jsonEquals(now, then)) return []
  if (!isContainer(now) || !isContainer(then)) return [pointer]
  if (isJsonArray(now)) return isJsonArray(then) ? itemsThatDiffer(now, then, pointer) : [pointer]
  return isJsonArray(then) ? [pointer] : keysThatDiffer(now, then, pointer)
}

function keysThatDiffer(now: JsonObject, then: JsonObject, pointer: string): string[] {
  return Object.keys({ ...now, ...then }).flatMap(key => {
    const at = childPointer(pointer, key)
    const isInBoth = Object.hasOwn(now, key) && Object.hasOwn(then, key)
    return isInBoth ? differences(now[key]!, then[key]!, at) : [at]
  })
}

function itemsThatDiffer(now: readonly Json[], then: readonly Json[], pointer: string): string[] {
  const found = listSteps(now, then).flatMap(step => {
    const at = childPointer(pointer, step.at)
    if (step.do === 'edit') return differences(now[step.at]!, step.to, at)
    return step.do === 'remove' ? [at] : [pointer]
  })
  return [...new Set(found)]
}

/** So many pointers of a branch stand in the message; all are in its details. */
const NAMED_MAX = 5

function inForce(shown: readonly Shown[]): WeftError {
  const where = shown.map(({ branch, pointers }) => {
    const more = pointers.length - NAMED_MAX
    return `${pointers.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''} on ${branch}`
  })
  return new WeftError(
    'WEFT_ERASE_IN_FORCE',
    `what is to be erased is what the state holds now: ${where.join('; ')}`,
    'write another value there, or delete it, on every branch that is named, or abandon those that are done; erase then',
    { shown },
  )
}
