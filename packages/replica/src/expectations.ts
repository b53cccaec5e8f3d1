import {
  type BranchName,
  type ChangeId,
  type ChangeSet,
  formatRef,
  lastWriters,
  type Preconditions,
  parseRef,
  stateRef,
  WeftError,
} from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'

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
 * @throws WEFT_PRECONDITION · WEFT_POINTER_INVALID · WEFT_REF_INVALID · WEFT_USAGE when it is too much for the peer to decide on
 */
export function preconditionsOf(
  set: ChangeSet,
  branch: BranchName,
  heads: readonly ChangeId[],
  { heads: expected, writers = {}, unmoved = [] }: Expectations,
): Preconditions {
  const view = set.viewAt(set.nodes(heads))
  for (const [pointer, ids] of Object.entries(writers)) {
    const actual = lastWriters(set, view, pointer)
    const wanted = [ids ?? []].flat().sort()
    if (actual.join() !== wanted.join()) throw otherWriters(pointer, actual)
  }
  const byBranch = expected === undefined ? {} : isList(expected) ? { [branch]: expected } : expected
  return checkedCount({
    heads: Object.entries(byBranch).map(([name, ids]) => ({ branch: name, ids })),
    unmoved: [...Object.keys(writers).map(stateRef), ...unmoved.map(text => formatRef(parseRef(text)))],
  })
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
