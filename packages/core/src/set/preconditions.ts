import { WeftError } from '../base/errors.js'
import type { BranchName, ChangeId } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { ReadRefs } from '../refs/read-refs.js'
import { pointerOf, sayRef, stateRef, type VersionedRef } from '../refs/ref.js'
import type { Header } from '../change/header.js'
import type { Branches } from '../graph/branches.js'
import type { Dag } from '../graph/dag.js'
import { unseen } from '../graph/frontier.js'
import type { Pasts } from '../graph/past.js'
import type { LogMoves } from '../writes/log-moves.js'

/**
 * What must hold of the committed log at the moment at which it takes a change (DUR-6). It belongs to the offer, not to
 * the change: once taken, a change is one like any other.
 */
export interface Preconditions {
  /** Branches, each with exactly the heads that it must have. */
  readonly heads: readonly { readonly branch: BranchName; readonly ids: readonly ChangeId[] }[]
  /**
   * Refs that nobody may have written since the author looked: a pointer of the state, on the change's branch; any
   * other ref, in the whole context. A version that is named may have been written again.
   */
  readonly unmoved: readonly string[]
}

/** What is known of a log to decide by. */
export interface LogView {
  readonly dag: Dag
  readonly branches: Branches
  /** The refs that a change wrote, and where the ends were of lists to which it added, or from which it took something. */
  writesAt(node: Node): readonly string[]
  endsAt(node: Node): readonly string[]
  readonly moves: LogMoves
  /** The changes that wrote a ref which is not of the state, oldest first. */
  writersOf(ref: string): readonly Node[]
  readonly pasts: Pasts
}

/** A write that the author of a change had not seen, to something that must not have moved. */
export interface Moved {
  readonly ref: string
  readonly wrote: string
  readonly change: ChangeId
}

/** Enough to see what is the matter, and to fit into one answer. */
const TOLD_MAX = 16
/** Writes: whoever has not seen more of what might concern it has to look before it can say what must not have moved. */
const LOOKED_AT_MAX = 8_192

/** @throws WEFT_PRECONDITION, with what it would have needed in `details`; the deps of the change must be known */
export function checkPreconditions(log: LogView, header: Header, { heads, unmoved }: Preconditions): void {
  const others = heads.flatMap(({ branch, ids }) => {
    const actual = [...log.branches.heads(branch)].map(node => log.dag.id(node)).sort()
    return sameIds(actual, [...ids].sort()) ? [] : [{ branch, heads: actual.slice(0, TOLD_MAX) }]
  })
  const moved = unmoved.length === 0 ? [] : movedSince(log, header, new ReadRefs(unmoved))
  if (others.length === 0 && moved.length === 0) return
  throw refused(others, moved)
}

/** The first writes to what was read, as many as are told, outside of the past of a change with this header. */
function movedSince(log: LogView, header: Header, reads: ReadRefs): Moved[] {
  const moved: Moved[] = []
  const deps = log.dag.depsOf(header)
  const astray = log.moves.astrayOf(reads, deps, node => log.pasts.include([node], deps))
  let looked = 0
  for (const node of unseenWriters(log, header, reads)) {
    const ends = log.endsAt(node).map(stateRef)
    for (const wrote of new Set([...log.writesAt(node), ...ends])) {
      if (++looked > LOOKED_AT_MAX) throw tooFarBehind()
      const hit = reads.touchedBy(wrote, ends.includes(wrote)) ?? astray(wrote, node)
      if (hit) moved.push({ ref: hit.ref, wrote, change: log.dag.id(node) })
      if (moved.length === TOLD_MAX) return moved
    }
  }
  return moved
}

/** What may have written to what was read and is not in the past of a change with this header. */
function unseenWriters(log: LogView, header: Header, reads: ReadRefs): Set<Node> {
  const { dag, branches } = log
  const deps = dag.depsOf(header)
  const others = [...reads].filter(read => !isState(read))
  const onBranch = others.length < [...reads].length ? unseen(dag, branches.heads(header.branch), deps) : []
  const writers = others.flatMap(({ ref }) => log.writersOf(ref))
  return new Set([...onBranch, ...log.pasts.outside(writers, deps)])
}

const isState = ({ ref }: VersionedRef): boolean => pointerOf(ref) !== undefined

function sameIds(a: readonly ChangeId[], b: readonly ChangeId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}

function refused(
  heads: readonly { readonly branch: BranchName; readonly heads: readonly ChangeId[] }[],
  moved: readonly Moved[],
): WeftError {
  const causes = [
    ...heads.map(
      ({ branch, heads }) => `branch ${branch} has the heads ${heads.map(short).join(', ') || '(none)'}`,
    ),
    ...moved.map(({ wrote, change }) => `${short(change)} has written ${sayRef(wrote)}`),
  ]
  return new WeftError(
    'WEFT_PRECONDITION',
    `it was to be taken only if nothing had moved: ${causes.slice(0, 3).join('; ')}${causes.length > 3 ? ' …' : ''}`,
    'read what has been written since, decide again, and offer a new change',
    { heads, moved },
  )
}

function tooFarBehind(): WeftError {
  return new WeftError(
    'WEFT_PRECONDITION',
    `more has been written since than is looked through: ${LOOKED_AT_MAX} writes`,
    'read what has been written since, decide again, and offer a new change',
    { heads: [], moved: [] },
  )
}

const short = (id: ChangeId): string => id.slice(0, 12)
