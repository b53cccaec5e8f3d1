import {
  ABANDONED_BRANCH,
  type BranchName,
  type ChangeId,
  type ChangeSet,
  checkAbandonable,
  LIMITS,
  type Position,
  unpackIds,
} from '@weft/core'
import { notYet } from '../base/context-errors.js'
import { leftOf, type WaitOptions, within } from '../base/waiting.js'
import type { ContextReplica } from '../sync/context-replica.js'
import { type Accepted, isRefusedFor, type ProposalScope, propose, untilSeen } from './proposer.js'

/** What the peer has taken, now or when it was asked the same before. */
export interface Proposed {
  /** Undefined when there was nothing to do. */
  readonly change: ChangeId | undefined
  readonly position: Position
  /** Whether it was taken now. */
  readonly isNew: boolean
}

/** Branches that were ended, and by which changes; none of them when all had been before. */
export interface ProposedAbandonment {
  readonly branches: readonly BranchName[]
  readonly changes: readonly ChangeId[]
  readonly position: Position
}

interface Reasoned extends WaitOptions {
  readonly reason?: string
}

/** What is proposed of branches; the scope is made when it is certain that something is. */
export interface Proposing {
  readonly context: ContextReplica
  readonly begin: () => ProposalScope
}

export interface Fork {
  readonly branch: BranchName
  readonly agent: string
  readonly names: readonly BranchName[]
  /** Heads to begin at instead of the present. */
  readonly at: readonly ChangeId[] | undefined
}

/**
 * Forks only if none of the names has begun when the peer comes to it: so that of all who fork the same, one does, and
 * it asking again finds its own fork.
 * @param checkNew that there are no branches of these names yet
 * @throws as `checkNew` and `propose`
 */
export async function proposeFork(
  { context, begin }: Proposing,
  fork: Fork,
  options: Reasoned,
  checkNew: () => void,
): Promise<Proposed> {
  const { names, at } = fork
  if (names.length === 0) return nothingToDo(context)
  const left = waitLeft(context, options)
  const write = { notes: { forks: names, ...reasonOf(options) } }
  const heads = Object.fromEntries(names.map(name => [name, []]))
  for (;;) {
    const before = sameFork(context.set, fork)
    if (before !== undefined) return alreadyTaken(context, before, options)
    checkNew()
    try {
      return takenNow(await propose(begin(), write, { heads }, left(), at))
    } catch (error) {
      if (!isRefusedFor(error, 'WEFT_PRECONDITION')) throw error
      await untilSeen(context, error, left())
    }
  }
}

/** The change by which this agent has begun just these branches, of this one. */
function sameFork(set: ChangeSet, { branch, agent, names, at }: Fork): ChangeId | undefined {
  const node = set.tree.forksOf(names[0]!).find(fork => {
    const { header } = set.change(fork)
    if (header.agent !== agent || header.branch !== branch) return false
    return sameList(header.notes.forks!, names) && (at === undefined || sameList(depsOf(set, fork), at))
  })
  return node === undefined ? undefined : set.dag.id(node)
}

function depsOf({ dag }: ChangeSet, node: number): ChangeId[] {
  return Array.from({ length: dag.depCount(node) }, (_, index) => dag.id(dag.dep(node, index))).sort()
}

/**
 * Merges, unless the branch shows all that it would bring: then it is the last merge that brought just that, if one did.
 * @param begin also brings what is merged to the definition's version
 * @throws as `propose`
 */
export async function proposeMerge(
  { context, begin }: Proposing,
  branch: BranchName,
  names: readonly BranchName[],
  options: Reasoned,
): Promise<Proposed> {
  if (isShown(context.set, branch, names)) {
    const change = sameMerge(context.set, branch, names)
    return change === undefined ? nothingToDo(context) : alreadyTaken(context, change, options)
  }
  const scope = begin()
  const { branches, dag } = context.set
  const all = [...new Set([branch, ...names])]
  const merges = Object.fromEntries(all.map(name => [name, dag.packIds([...branches.heads(name)])]))
  const write = {
    notes: { merges, ...reasonOf(options) },
    at: all.flatMap(name => [...branches.heads(name)]),
  }
  return takenNow(await propose(scope, write, {}, options))
}

/** Whether a branch shows all of others. */
function isShown(set: ChangeSet, branch: BranchName, names: readonly BranchName[]): boolean {
  const view = set.view(branch)
  return names.every(name => set.branches.heads(name).every(head => view.has(head)))
}

/** The last merge into a branch of just these, as they are. */
function sameMerge(set: ChangeSet, branch: BranchName, names: readonly BranchName[]): ChangeId | undefined {
  for (let node = set.size - 1; node >= 0; node--) {
    const { header } = set.change(node)
    const { merges } = header.notes
    if (merges === undefined || header.branch !== branch) continue
    if (Object.keys(merges).some(name => name !== branch && !names.includes(name))) continue
    const isSame = (name: BranchName): boolean =>
      Object.hasOwn(merges, name) && sameList(unpackIds(merges[name]!).sort(), set.heads(name))
    if (names.every(isSame)) return set.dag.id(node)
  }
  return undefined
}

/** Of the heads that one change can depend on, as many are left to what was abandoned before. */
const HEADS_A_CHANGE = LIMITS.deps_max / 2
/** Of the bytes that a header may have, as many are left to all the rest of it. */
const NAME_BYTES_A_CHANGE = LIMITS.header_bytes_max / 4

/** Abandons those that are not abandoned yet. @throws as `Context.abandon` and `propose` */
export async function proposeAbandonment(
  { context, begin }: Proposing,
  names: readonly BranchName[],
  options: Reasoned,
): Promise<ProposedAbandonment> {
  checkAbandonable(context.set.branches, names)
  const left = waitLeft(context, options)
  const ended: BranchName[] = []
  const changes: ChangeId[] = []
  let { position } = context.index
  for (;;) {
    const { set } = context
    const abandons = portionOf(
      set,
      [...new Set(names)].filter(name => !ended.includes(name)),
    )
    if (abandons.length === 0) return { branches: ended, changes, position }
    const nodes = set.maximal([ABANDONED_BRANCH, ...abandons].flatMap(name => [...set.branches.heads(name)]))
    const notes = { abandons, ...reasonOf(options) }
    const taken = await propose(begin(), { notes }, {}, left(), set.ids(nodes))
    ended.push(...abandons)
    changes.push(taken.change)
    position = taken.position
  }
}

/** As many of those that are not abandoned as one change can name, with their heads. */
function portionOf({ abandonments, branches }: ChangeSet, names: readonly BranchName[]): BranchName[] {
  const portion: BranchName[] = []
  let [heads, bytes] = [0, 0]
  for (const name of names) {
    if (abandonments.has(name)) continue
    heads += branches.heads(name).length
    bytes += name.length
    if (portion.length > 0 && (heads > HEADS_A_CHANGE || bytes > NAME_BYTES_A_CHANGE)) break
    portion.push(name)
  }
  return portion
}

export function takenNow({ change, position }: Accepted): Proposed {
  return { change, position, isNew: true }
}

/** What is in the set already, when it is durable: whoever has a replica may have written it just now. */
export async function alreadyTaken(
  { host, commits }: ContextReplica,
  change: ChangeId,
  options: WaitOptions,
): Promise<Proposed> {
  const late = () => notYet(options.timeout_ms)
  const position = await within(host.clock, commits.settled(change), options, late)
  return { change, position, isNew: false }
}

/** What is left of the time for all that a call asks of the peer, whenever it is asked for. */
function waitLeft({ host }: ContextReplica, { timeout_ms, signal }: WaitOptions): () => WaitOptions {
  const left = leftOf(host.clock, timeout_ms)
  return () => ({ ...left(), ...(signal && { signal }) })
}

function nothingToDo({ index }: ContextReplica): Proposed {
  return { change: undefined, position: index.position, isNew: false }
}

function reasonOf({ reason }: Reasoned): { readonly reason?: string } {
  return reason === undefined ? {} : { reason }
}

/** Of what is in order. */
function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}
