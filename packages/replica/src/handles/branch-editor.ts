import {
  type AgentId,
  abandon,
  checkAbandonable,
  type BranchName,
  BranchWriter,
  type Change,
  type ChangeId,
  type ContextDefinition,
  checkPlace,
  type EntrySchemas,
  entryId,
  formatRef,
  genesis,
  type InputOf,
  type Json,
  type JsonObject,
  type KindOf,
  LIMITS,
  type MergeReport,
  mergeReport,
  namesItem,
  NO_NODE,
  parseRef,
  type RevertTarget,
  unknownBranch,
  validateEntry,
  validateState,
  type Write,
} from '@weft/core'
import { checkList } from '../base/arguments.js'
import { handleClosed } from '../base/context-errors.js'
import { nodeHost } from '../base/node-host.js'
import { goesByItem, withValueAt } from '../base/pointer-write.js'
import { Receipt } from '../base/receipt.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import { BranchReader } from '../reading/branch-reader.js'
import { type Recipe, stateAfter } from '../reading/recipe.js'
import { checkTarget, type Revert, type RevertOptions, revertWrite } from '../reading/revert.js'
import { composed, type DraftChange } from '../writing/draft-change.js'
import { checkOpen } from '../writing/resolution-proposal.js'
import { HandleLease } from '../leases/handle-lease.js'
import type { Lease } from '../leases/lease.js'

export interface WriteOptions {
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
}

export interface AppendOptions extends WriteOptions {
  /** Refs this entry was derived from; an external one with the version seen: `ext:doc/17@v3`. */
  readonly dependsOn?: readonly string[]
}

export interface AbandonOptions extends WriteOptions {
  /** Only check that it could be done; the receipt is of nothing then. */
  readonly dryRun?: boolean
}

export type Merge = MergeReport & { readonly receipt: Receipt }

export const NAMES = 'pass the names of the branches as a list'

/** The local half of a branch handle: writes that are made at once, here, and are synced as they are. */
export abstract class BranchEditor<State, Entries extends EntrySchemas> extends BranchReader<State, Entries> {
  #writer: BranchWriter | undefined
  readonly #stopWatching: () => void
  protected readonly leasing: HandleLease
  #closed = false
  readonly #genesis: Change | undefined

  constructor(
    context: ContextReplica,
    asked: Asked,
    definition: ContextDefinition<State, Entries>,
    agent: AgentId,
    branch: BranchName,
  ) {
    super(context, asked, definition, agent, branch)
    this.leasing = new HandleLease(branch, asked)
    this.#writer = this.newWriter()
    this.#stopWatching = context.onRemade(() => this.letGo())
    this.#genesis = genesis(definition as ContextDefinition, nodeHost.hash)
  }

  /**
   * Writes one entry.
   * @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_KIND_UNKNOWN · WEFT_VALUE_NOT_JSON ·
   *   WEFT_CHANGE_TOO_LARGE · WEFT_CLOSED; then nothing was written
   */
  append<Kind extends KindOf<Entries>>(
    kind: Kind,
    value: InputOf<Entries, Kind>,
    options: AppendOptions = {},
  ): Receipt {
    const json = validateEntry(this.definition as ContextDefinition, kind, value)
    const reads = options.dependsOn?.map(text => ({ ...parseRef(text), entry: 0 }))
    return this.commit({ entries: [{ kind, value: json }], ...(reads && { reads }) }, options)
  }

  /**
   * Changes the state: mutate the draft, or return a new state.
   * @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON · WEFT_CHANGE_TOO_LARGE · WEFT_CLOSED ·
   *   WEFT_USAGE when the recipe is asynchronous, or changes the state by another way than its draft
   */
  change(recipe: Recipe<State>, options: WriteOptions = {}): Receipt {
    return this.commit({ state: this.next([recipe]) }, options)
  }

  /** Writes entries and a state change as one atomic change. @throws as `append` and `change` */
  write(compose: (draft: DraftChange<State, Entries>) => void, options: WriteOptions = {}): Receipt {
    const { recipes, entries, reads } = composed(this.definition, compose)
    return this.commit({ entries, reads, ...(recipes.length > 0 && { state: this.next(recipes) }) }, options)
  }

  /**
   * Says that something outside has changed: what was derived from another version of it is stale from now on.
   * @param ref `ext:<uri>`; @param version the version it has now
   * @throws WEFT_REF_INVALID
   */
  touch(ref: string, version?: string, options: WriteOptions = {}): Receipt {
    const parsed = parseRef(version === undefined ? ref : formatRef({ ref, version }))
    return this.commit({ writes: [formatRef(parsed)] }, options)
  }

  /**
   * Undoes what an actor, a step, a range of the log or a blast radius wrote on this branch: one new change that names
   * what it undoes (STP-4). The entries stay in the log and are no longer shown; pointers get the value they had, but
   * for those that others have written since, which are `kept`. To undo a revert, revert it.
   * @throws WEFT_USAGE for none or several targets · WEFT_REVERT_NOTHING · WEFT_REVERT_ALREADY · WEFT_CHANGE_UNKNOWN ·
   *   WEFT_POSITION_UNKNOWN · WEFT_REF_INVALID, and as `change`; then nothing has changed
   */
  revert(target: RevertTarget, options: RevertOptions = {}): Revert {
    const one = checkTarget(target)
    const validated = (state: JsonObject): JsonObject => this.validated(state)
    const writer = options.dryRun ? this.writer() : this.upToDate()
    const { plan, write } = revertWrite(writer, one, this.context.index, validated)
    return { ...plan, receipt: options.dryRun ? this.record(undefined) : this.commit(write, options) }
  }

  /**
   * Says that the workflow is done, with all that is known of it here, on every branch. From then on its tenant's rule
   * of retention may remove it, unless somebody writes to it again (TIR-2). Of more unmerged branches than it can name it abandons
   * all but its own first. @throws as `change`
   */
  complete(options: WriteOptions = {}): Receipt {
    const { dag } = this.begun().set
    // More than a change can name come of attempts that nobody has merged; with the context all of them are over.
    if (dag.heads.size > LIMITS.deps_max) this.abandon(this.unmerged.filter(name => name !== this.branch))
    return this.commit({ notes: { completes: dag.packIds([...dag.heads]) } }, options)
  }

  /**
   * Ends branches without merging them: what an attempt that lost has written stays in the log, readable by the name of its
   * branch, and counts no more among what the context has open. Whoever writes on one of them goes on with it.
   * @returns the receipt of the last change that it takes: one for each few hundred branches
   * @throws WEFT_BRANCH_UNKNOWN · WEFT_ID_INVALID, of `main` too · WEFT_CLOSED; then nothing has changed
   */
  abandon(branches: readonly BranchName[], options: AbandonOptions = {}): Receipt {
    const { set } = options.dryRun ? this.writer() : this.ready()
    checkAbandonable(set.branches, checkList('what abandon was given', branches, NAMES))
    if (options.dryRun) return this.record(undefined)
    const changes = abandon(set, branches, { agent: this.agent, ...options }, this.context.host)
    return changes.reduce((_, change) => this.record(change), this.record(undefined))
  }

  /** Brings branches into this one. The report is the same on every replica. @throws WEFT_BRANCH_UNKNOWN · WEFT_ID_INVALID */
  merge(...branches: readonly BranchName[]): Merge {
    this.ready().checkKnown(branches)
    const writer = this.begun()
    for (const branch of branches) this.schema.upToDate(branch)
    const change = writer.merge(branches)
    const receipt = this.record(change)
    return { ...mergeReport(this.set, change.id), receipt }
  }

  /**
   * Settles what is in conflict at a pointer: a change like any other, after all the values. Undefined deletes. Of an item of
   * a list there has to be a conflict: items move, and by an index of yesterday another one would be overwritten.
   * @throws WEFT_POINTER_INVALID · WEFT_CONFLICT_UNKNOWN, and as `change`
   */
  resolve(pointer: string, value: Json | undefined, options: WriteOptions = {}): Receipt {
    checkPlace(pointer)
    this.upToDate()
    const now = this.state as JsonObject
    const next = withValueAt(now, pointer, value)
    if (namesItem(pointer) || goesByItem(now, pointer)) checkOpen(pointer, this.conflicts())
    return this.commit({ state: this.validated(next), touches: [pointer] }, options)
  }

  /**
   * Takes in changes that were made elsewhere (an export, another replica) as they are, and offers them to the peer.
   * @param changes the bytes of each; deps need not come first
   * @returns how many were new here
   * @throws WEFT_CHANGE_* · WEFT_QUEUE_FULL · WEFT_SCOPE (it would erase) at the first that does not fit; those before it stay
   */
  adopt(changes: Iterable<Uint8Array>): number {
    this.ready()
    return this.context.adopt(changes)
  }

  /** The writer on the present set: after a withdrawal, a new one, as another actor. */
  protected override writer(): BranchWriter {
    if (this.#closed) throw handleClosed()
    const { set } = this.context
    this.schema.check()
    if (this.#writer) return this.#writer
    if (!set.branches.has(this.branch)) throw unknownBranch(this.branch, set.branches.names())
    this.#writer = this.newWriter()
    return this.#writer
  }

  /** At once, and not when the handle is next used: an idle one would keep what has been erased. */
  protected override letGo(): void {
    super.letGo()
    this.#writer?.state.free()
    this.#writer = undefined
  }

  /** The lease that this handle writes under, or has lost. */
  protected get holding(): Lease | undefined {
    return this.leasing.holding
  }

  /** The epochs that this handle writes under. */
  protected get under(): Readonly<Record<string, number>> | undefined {
    return this.leasing.under
  }

  protected get isClosed(): boolean {
    return this.#closed
  }

  protected newWriter(heads?: readonly ChangeId[]): BranchWriter {
    const { set, host } = this.context
    const { name, version } = this.definition
    const seen = heads && set.nodes(heads)
    const writer = new BranchWriter(set, host, this.branch, this.agent, seen, { name, version })
    writer.under = this.under
    return writer
  }

  /** The writer, if what it writes can leave. @throws WEFT_CLOSED · WEFT_LEASE_LOST */
  protected ready(): BranchWriter {
    const writer = this.writer()
    const over = this.context.closed ?? this.context.sealed
    if (over) throw over
    this.holding?.check()
    writer.under = this.under
    return writer
  }

  /** As `ready`, on a branch of which nothing is older than the definition. @throws also WEFT_MIGRATION_FAILED */
  protected upToDate(): BranchWriter {
    const writer = this.ready()
    this.schema.upToDate(this.branch, this.under)
    return writer
  }

  /** As that, on a context that has its initial state: whoever writes to it first writes that before. */
  protected begun(): BranchWriter {
    const writer = this.upToDate()
    if (writer.set.size === 0) this.addGenesis()
    return writer
  }

  /** Heads of the initial state, which it adds if nobody has. */
  protected addGenesis(): ChangeId[] {
    if (this.#genesis === undefined) return []
    if (this.context.set.add(this.#genesis) !== NO_NODE) this.context.wrote(this.#genesis)
    return [this.#genesis.id]
  }

  protected next(recipes: readonly Recipe<State>[]): JsonObject {
    this.upToDate()
    return this.validated(stateAfter(() => this.state as State, recipes) as JsonObject)
  }

  protected validated(state: JsonObject): JsonObject {
    return validateState(this.definition.state, state)
  }

  protected commit(write: Write, options: WriteOptions): Receipt {
    return this.record(this.begun().write(withReason(write, options)))
  }

  protected record(change: Change | undefined): Receipt {
    if (change === undefined) return new Receipt(undefined, [], () => Promise.resolve(this.position))
    const outcome = this.context.wrote(change)
    const { id } = change
    const entries = change.header.kinds.map((_, index) => entryId(id, index))
    return new Receipt(id, entries, () => this.context.commits.settled(id, outcome))
  }

  /** Nothing can be read or written through it after this. */
  protected override end(): void {
    this.#closed = true
    this.#stopWatching()
    super.end()
  }
}

export function withReason(write: Write, { reason }: WriteOptions): Write {
  return reason === undefined ? write : { ...write, notes: { ...write.notes, reason } }
}
