import type { Branches } from './branches.js'
import type { Dag, Node } from './dag.js'
import { WeftError } from './errors.js'
import { unseen } from './frontier.js'
import type { Header } from './header.js'
import type { BranchName, ChangeId } from './ids.js'
import { pointerOf, readableRef, touches } from './ref.js'

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
  /** The refs that a change wrote. */
  writesAt(node: Node): readonly string[]
  /** The changes that wrote a ref which is not of the state, oldest first. */
  writersOf(ref: string): readonly Node[]
}

/** A write that the author of a change had not seen, to something that must not have moved. */
export interface Moved {
  readonly ref: string
  readonly wrote: string
  readonly change: ChangeId
}

/** Enough to see what is the matter, and to fit into one answer. */
const TOLD_MAX = 16

/** @throws WEFT_PRECONDITION, with what it would have needed in `details`; the deps of the change must be known */
export function checkPreconditions(log: LogView, header: Header, { heads, unmoved }: Preconditions): void {
  const others = heads.flatMap(({ branch, ids }) => {
    const actual = [...log.branches.heads(branch)].map(node => log.dag.id(node)).sort()
    return sameIds(actual, [...ids].sort()) ? [] : [{ branch, heads: actual.slice(0, TOLD_MAX) }]
  })
  const moved = unmoved.length === 0 ? [] : movedSince(log, header, unmoved)
  if (others.length === 0 && moved.length === 0) return
  throw refused(others, moved)
}

/** The writes to `refs` outside of the past of a change with this header. */
function movedSince(log: LogView, header: Header, refs: readonly string[]): Moved[] {
  const { dag, branches } = log
  const deps = header.deps.map(id => dag.node(id))
  const reads = refs.map(readableRef)
  const moved: Moved[] = []
  const look = (node: Node): void => {
    for (const wrote of log.writesAt(node)) {
      const hit = reads.find(read => touches(readableRef(wrote), read))
      if (hit) moved.push({ ref: hit.ref, wrote, change: dag.id(node) })
    }
  }
  if (reads.some(isState)) for (const node of unseen(dag, branches.heads(header.branch), deps)) look(node)
  const writers = reads.filter(read => !isState(read)).flatMap(({ ref }) => log.writersOf(ref))
  const isBehind = dag.behind(writers, deps)
  const isDep = new Set(deps)
  for (const node of writers) if (!isDep.has(node) && !isBehind(node)) look(node)
  return moved
}

const isState = ({ ref }: { readonly ref: string }): boolean => pointerOf(ref) !== undefined

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
    ...moved.map(({ wrote, change }) => `${short(change)} has written ${wrote}`),
  ]
  return new WeftError(
    'WEFT_PRECONDITION',
    `it was to be taken only if nothing had moved: ${causes.slice(0, 3).join('; ')}${causes.length > 3 ? ' …' : ''}`,
    'read what has been written since, decide again, and offer a new change',
    { heads, moved: moved.slice(0, TOLD_MAX) },
  )
}

const short = (id: ChangeId): string => id.slice(0, 12)
