import {
  type BranchName,
  type ChangeId,
  type ChangeSet,
  checkId,
  formatRef,
  isChangeId,
  LIMITS,
  lastWriters,
  type Preconditions,
  parseRef,
  stateRef,
  WeftError,
} from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { checkList, checkObject } from '../base/arguments.js'

/** What must still hold when the peer takes a write (DUR-6). */
export interface Expectations {
  /** Exactly these heads, of the branch that is written to or of branches by name. */
  readonly heads?: readonly ChangeId[] | Readonly<Record<BranchName, readonly ChangeId[]>>
  /** Who has written last at a pointer of the state, as `lastWriters` tells: one, several that are concurrent, nobody. */
  readonly writers?: Readonly<Record<string, ChangeId | readonly ChangeId[] | null>>
  /** Refs (`state:/pointer`, `ext:uri@version`) that nobody writes between what is seen here and the commit. */
  readonly unmoved?: readonly string[]
}

/**
 * What the peer is asked to hold an expectation against. What was expected of the past is checked here: the peer is
 * asked about what the author had not seen.
 * @param heads what the write will depend on
 * @throws WEFT_PRECONDITION · WEFT_POINTER_INVALID · WEFT_REF_INVALID · WEFT_ID_INVALID · WEFT_USAGE when it is too much for
 *   the peer to decide on, or says nothing of the kind
 */
export function preconditionsOf(
  set: ChangeSet,
  branch: BranchName,
  heads: readonly ChangeId[],
  expected: Expectations,
): Preconditions {
  const { heads: expectedHeads, writers = {}, unmoved = [] } = checkObject('what is expected', expected)
  const expectedWriters = Object.entries(checkObject('what is expected of writers', writers))
  const view = expectedWriters.length > 0 ? set.viewAt(set.nodes(heads)) : undefined
  for (const [pointer, ids] of expectedWriters) {
    const actual = lastWriters(set, view!, pointer)
    const wanted = [ids ?? []].flat().sort()
    if (actual.join() !== wanted.join()) throw otherWriters(pointer, actual)
  }
  const refs = checkList('what is expected to be unmoved', unmoved, 'pass a list of refs')
  return checkedCount({
    heads: expectedHeads === undefined ? [] : headsOf(expectedHeads, branch),
    unmoved: [...Object.keys(writers).map(stateRef), ...refs.map(text => formatRef(parseRef(text)))],
  })
}

/** @throws WEFT_ID_INVALID · WEFT_USAGE */
function headsOf(expected: NonNullable<Expectations['heads']>, branch: BranchName): Preconditions['heads'] {
  const byBranch = isList(expected)
    ? { [branch]: expected }
    : checkObject('what is expected of heads', expected)
  return Object.entries(byBranch).map(([name, ids]) => ({
    branch: checkId('branch', name),
    ids: checkHeads(name, ids),
  }))
}

/** What is no list of heads would cost its sender the connection. @throws WEFT_ID_INVALID · WEFT_USAGE */
function checkHeads(branch: BranchName, ids: readonly ChangeId[]): readonly ChangeId[] {
  const { deps_max } = LIMITS
  checkList(`what is expected of the heads of ${branch}`, ids, 'pass a list of ids of changes')
  for (const id of ids) if (!isChangeId(id)) throw noHead(branch, id)
  const distinct = new Set(ids).size
  if (distinct === ids.length && distinct <= deps_max) return ids
  throw new WeftError(
    'WEFT_USAGE',
    `a write that expects branch ${branch} to have ${ids.length} heads, ${distinct} of them different`,
    `name each head once, and at most ${deps_max}`,
    { branch, deps_max },
  )
}

/** What is too much for a frame would cost its sender the connection. */
function checkedCount(preconditions: Preconditions): Preconditions {
  const { heads, unmoved } = preconditions
  const { branches_max, unmoved_max } = WIRE_LIMITS
  if (heads.length <= branches_max && unmoved.length <= unmoved_max) return preconditions
  throw new WeftError(
    'WEFT_USAGE',
    `a write that expects something of ${heads.length} branches and ${unmoved.length} refs`,
    `expect something of at most ${branches_max} branches and ${unmoved_max} refs; a pointer stands for all below it`,
    { branches_max, unmoved_max },
  )
}

function isList(value: unknown): value is readonly ChangeId[] {
  return Array.isArray(value)
}

function noHead(branch: BranchName, id: unknown): WeftError {
  return new WeftError(
    'WEFT_ID_INVALID',
    `${JSON.stringify(String(id).slice(0, 80))} is not the id of a change, and no head of ${branch}`,
    'pass ids as `heads` gives them: 64 digits, 0-9 and a-f',
    { branch },
  )
}

function otherWriters(pointer: string, actual: readonly ChangeId[]): WeftError {
  return new WeftError(
    'WEFT_PRECONDITION',
    `${pointer} was written last by ${actual.map(id => id.slice(0, 12)).join(', ') || 'nobody'}`,
    'read what has been written since, decide again, and offer a new change',
    {
      heads: [],
      moved: actual.map(change => ({ ref: stateRef(pointer), wrote: stateRef(pointer), change })),
    },
  )
}
