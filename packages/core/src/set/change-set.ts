import { ABSENT, CborWriter } from '../base/cbor-cursor.js'
import { type ActorId, type BranchName, type ChangeId, entryId } from '../base/ids.js'
import { deepFreeze } from '../base/json.js'
import { NO_NODE, type Node } from '../base/node.js'
import { unpackIds } from '../base/packed-ids.js'
import type { Hash } from '../base/ports.js'
import { type Change, forgetSealed } from '../change/change.js'
import { type Header, NO_NOTES } from '../change/header.js'
import { readsByEntry } from '../change/manifest.js'
import { Branches } from '../graph/branches.js'
import { Dag } from '../graph/dag.js'
import { maximal } from '../graph/frontier.js'
import { OrderTree } from '../graph/order.js'
import { Pasts } from '../graph/past.js'
import { View } from '../graph/view.js'
import type { StateChunk } from '../automerge/automerge-chunk.js'
import { forgetStateChunks } from '../automerge/state-chunk-writer.js'
import { StateLedger } from '../automerge/state-ledger.js'
import { Abandonments } from '../notes/abandonments.js'
import { checkComplete, type Erased, Erasures } from '../notes/erasures.js'
import { Leases } from '../notes/leases.js'
import { Reverts } from '../notes/reverts.js'
import { Schemas } from '../notes/schemas.js'
import { SideEffects } from '../notes/side-effects.js'
import { Summaries } from '../notes/summaries.js'
import { Wakes } from '../notes/wakes.js'
import { AppliedStates } from './applied-states.js'
import { type EntriesOptions, EntryLists } from './entry-lists.js'
import type { Entry } from './entry.js'

/**
 * A context: a set of changes (CHG-4). Everything else here (order, branches, views, entries) is a function of that
 * set, computed when it is read and kept up to date one change at a time.
 */
export class ChangeSet {
  readonly dag = new Dag()
  readonly tree = new OrderTree(this.dag)
  readonly branches = new Branches(this.dag)
  readonly reverts = new Reverts(this.dag)
  /** Who was granted what, as far as the changes here tell; how long a lease runs only the peer knows. */
  readonly leases = new Leases()
  readonly effects = new SideEffects(this.dag)
  readonly schemas = new Schemas(this.dag)
  readonly summaries = new Summaries(this.dag, this.tree, this.reverts)
  readonly wakes = new Wakes()
  readonly abandonments = new Abandonments(this.dag, this.branches)
  readonly erasures: Erasures
  /** Whose bytes lie side by side goes together: so what is erased here is not kept for the sake of another context. */
  readonly writer = new CborWriter()
  readonly ledger: StateLedger
  readonly states: AppliedStates
  readonly #changes: Change[] = []
  readonly #entries: (readonly Entry[] | undefined)[] = []
  readonly #views = new Map<BranchName, View>()
  #forgotten = 0
  #lists = this.#newLists()
  #everything: View | undefined

  constructor(readonly hash: Hash) {
    this.erasures = new Erasures(hash)
    this.ledger = new StateLedger(this.dag, new Pasts(this.dag, this.branches), hash)
    this.states = new AppliedStates(this, hash)
  }

  get size(): number {
    return this.dag.size
  }

  has(id: ChangeId): boolean {
    return this.dag.find(id) !== NO_NODE
  }

  change(node: Node): Change {
    return this.#changes[node]!
  }

  /** All changes, deps first. */
  changes(): readonly Change[] {
    return this.#changes
  }

  /** Of a change whose content is gone: by whom, when and why. */
  erasedAt(node: Node): Erased | undefined {
    return this.erasures.of(this.change(node))
  }

  /**
   * Adds a verified change whose deps are here.
   * @param fromLog of a committed log: what was erased comes without content, and the change that erased it after it
   * @returns its node, or `NO_NODE` if it was here already
   * @throws the errors of `Dag.add`, WEFT_CHANGE_STATE, WEFT_CHANGE_MALFORMED; then nothing has changed
   */
  add(offered: Change, fromLog = false): Node {
    const change = this.erasures.count === 0 ? offered : this.erasures.kept(offered)
    if (!fromLog || (change.lacksState && change.standIn === null)) checkComplete(change, this.erasures)
    let chunk: StateChunk | undefined
    if (change.header.stateHashAt !== ABSENT) {
      if (this.dag.nodeOf(change) !== NO_NODE) return NO_NODE
      // Causality first: the state of an equivocation does not fit either, and it must be reported as what it is.
      this.dag.check(change)
      chunk = this.ledger.check(change)
    }
    const node = this.dag.add(change)
    if (node === NO_NODE) return NO_NODE
    if (chunk) this.ledger.add(node, chunk)
    this.#changes.push(change)
    if (change.standIn !== null) this.states.noteStandIn()
    const { header } = change
    const forks = header.notes.forks ?? NO_FORKS
    this.tree.add(node, header)
    this.branches.add(node, header.branch, forks)
    this.schemas.add(node, header.notes.schema)
    // Most changes say nothing beyond their cause, and are added as fast as that allows.
    if (header.notes !== NO_NOTES) this.#addNoted(node, header)
    this.#views.get(header.branch)?.extend(node)
    for (const fork of forks) this.#views.get(fork)?.extend(node)
    this.#everything?.extend(node)
    return node
  }

  #addNoted(node: Node, header: Header): void {
    const { notes, kinds } = header
    this.leases.add(header, undefined, false)
    this.wakes.add(header)
    this.effects.add(node, header)
    if (notes.abandons !== undefined) this.abandonments.add(node, notes.abandons)
    if (notes.reverts !== undefined) this.reverts.add(node, notes.reverts)
    if (notes.summary !== undefined) this.summaries.add(node, notes.summary, kinds)
    if (notes.erases !== undefined) this.#erase(node)
  }

  /** How often a change that was here has been erased. Who keeps what was made of content begins anew when it has grown. */
  get forgotten(): number {
    return this.#forgotten
  }

  /** Lets go of content that is here, and of what was made of it. */
  #erase(by: Node): void {
    const named = unpackIds(this.change(by).header.notes.erases!).map(id => this.dag.find(id))
    const here = named.filter(node => node !== NO_NODE)
    const said = here.map(node => this.erasedAt(node))
    this.erasures.add(this.change(by))
    const changed = here.filter((node, at) => {
      const change = this.change(node)
      this.#changes[node] = this.erasures.kept(change)
      return this.change(node) !== change || this.erasedAt(node) !== said[at]
    })
    if (changed.length === 0) return
    this.#forgotten += changed.length
    for (const node of changed) this.#entries[node] = undefined
    this.#lists = this.#newLists()
    this.states.reset()
    forgetSealed()
    forgetStateChunks()
  }

  #newLists(): EntryLists {
    return new EntryLists(this.reverts, node => this.entriesOf(node))
  }

  /** What is visible on a branch; kept up to date as changes are added. */
  view(branch: BranchName): View {
    let view = this.#views.get(branch)
    if (view === undefined) {
      view = new View(this.dag, this.tree, this.branches.heads(branch))
      this.#views.set(branch, view)
    }
    return view
  }

  /** What these heads and all their ancestors show. */
  viewAt(heads: Iterable<Node>): View {
    return new View(this.dag, this.tree, heads)
  }

  /** All branches together. */
  everything(): View {
    if (this.#everything === undefined) {
      this.#everything = new View(this.dag, this.tree)
      for (let node = 0; node < this.size; node++) this.#everything.extend(node)
    }
    return this.#everything
  }

  /** Heads of a branch by id, ascending. */
  heads(branch: BranchName): ChangeId[] {
    return this.ids(this.branches.heads(branch))
  }

  ids(nodes: Iterable<Node>): ChangeId[] {
    return [...nodes].map(node => this.dag.id(node)).sort()
  }

  nodes(ids: Iterable<ChangeId>): Node[] {
    return [...ids].map(id => this.dag.node(id))
  }

  maximal(nodes: Iterable<Node>): Node[] {
    return maximal(this.dag, nodes)
  }

  /**
   * The entries of a change; frozen, made once. Those that are erased are here without their values. What a door has let
   * in reads; should it not, the change has no entries, alike on every replica.
   */
  entriesOf(node: Node): readonly Entry[] {
    const known = this.#entries[node]
    if (known) return known
    const change = this.change(node)
    const entries = makeEntries(change, this.dag.actorOf(node), this.erasures.of(change))
    this.#entries[node] = entries
    return entries
  }

  /** The entries of a view, flattened; those of reverted changes only if they are asked for. As `EntryLists.list`. */
  entries(view: View, options: EntriesOptions = {}): readonly Entry[] {
    return this.#lists.list(view, options)
  }
}

const NO_FORKS: readonly BranchName[] = []

const NO_ENTRIES: readonly Entry[] = []

function readable(change: Change): readonly unknown[] | undefined {
  try {
    return change.values()
  } catch {
    return undefined
  }
}

function makeEntries(change: Change, actor: ActorId, erased: Erased | undefined): readonly Entry[] {
  const { branch, agent, lamport, time, kinds, reads } = change.header
  const values = readable(change)
  if (values === undefined) return NO_ENTRIES
  const gone = change.lacksEntries ? erased : undefined
  const readsOf = readsByEntry(reads)
  return kinds.map((kind, index) =>
    Object.freeze({
      id: entryId(change.id, index),
      kind,
      value: gone ? null : deepFreeze(values[index]),
      tier: 'durable' as const,
      change: change.id,
      branch,
      agent,
      actor,
      lamport,
      time,
      reads: readsOf(index),
      ...(gone && { erased: gone }),
    }),
  )
}
