import {
  type AgentId,
  type BranchName,
  BranchWriter,
  type Change,
  type ChangeId,
  type ContextDefinition,
  checkPointer,
  type EntrySchemas,
  entryId,
  formatRef,
  genesis,
  type InputOf,
  type Json,
  type JsonObject,
  type KindOf,
  type MergeReport,
  mergeReport,
  NO_NODE,
  type Node,
  parseRef,
  type Position,
  type RevertTarget,
  unknownBranch,
  validateEntry,
  validateState,
  type Write,
} from '@weft/core'
import { produce } from 'immer'
import { BranchReader } from './branch-reader.js'
import { untilResolved } from './conflict-gate.js'
import { checkLabels, flushDeadline, handleClosed } from './context-errors.js'
import type { ContextReplica } from './context-replica.js'
import { DraftChange, type Recipe } from './draft-change.js'
import { nodeHost } from './node-host.js'
import { withValueAt } from './pointer-write.js'
import { Receipt } from './receipt.js'
import { type Revert, type RevertOptions, revertWrite } from './revert.js'
import type { Sessions } from './sessions.js'
import { Step } from './step.js'
import { runStep, type StepOptions, type StepResult, stepNotes } from './step-run.js'
import { type WaitOptions, within } from './waiting.js'

export interface WriteOptions {
  /** Why, for people: up to 1,024 characters. */
  readonly reason?: string
}

export interface AppendOptions extends WriteOptions {
  /** Refs this entry was derived from; an external one with the version seen: `ext:doc/17@v3`. */
  readonly dependsOn?: readonly string[]
}

/** A handle of whatever shape, to whoever keeps count of them. */
export interface ContextHandle {
  readonly workflow: string
  close(options?: WaitOptions): Promise<void>
}

export type Merge = MergeReport & { readonly receipt: Receipt }

/**
 * A branch of a context, open for one agent: what it reads is what is visible on the branch, and what it writes is
 * visible at once, here, and everywhere when it has been synced. Local writes are synchronous and work offline.
 * Each handle is an actor of its own.
 */
export class Context<State, Entries extends EntrySchemas> extends BranchReader<State, Entries> {
  #writer: BranchWriter
  #closed = false
  readonly #genesis: Change | undefined

  /** @internal Made by `Replica.open`, `fork` and `fanOut`. */
  constructor(
    context: ContextReplica,
    sessions: Sessions,
    definition: ContextDefinition<State, Entries>,
    agent: AgentId,
    branch: BranchName,
    private readonly onOpen: (handle: ContextHandle) => void,
    private readonly onClose: (handle: ContextHandle) => void,
  ) {
    super(context, sessions, definition, agent, branch)
    this.#writer = this.#newWriter()
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
    return this.#write({ entries: [{ kind, value: json }], ...(reads && { reads }) }, options)
  }

  /**
   * Changes the state: mutate the draft, or return a new state.
   * @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON · WEFT_CHANGE_TOO_LARGE · WEFT_CLOSED
   */
  change(recipe: Recipe<State>, options: WriteOptions = {}): Receipt {
    return this.#write({ state: this.#next(recipe) }, options)
  }

  /** Writes entries and a state change as one atomic change. @throws as `append` and `change` */
  write(compose: (draft: DraftChange<State, Entries>) => void, options: WriteOptions = {}): Receipt {
    const draft = new DraftChange<State, Entries>(this.definition)
    compose(draft)
    const { recipe, entries, reads } = draft
    return this.#write({ entries, reads, ...(recipe && { state: this.#next(recipe) }) }, options)
  }

  /**
   * Runs one turn of an agent. It reads one snapshot and its own writes; what it reads is recorded; what it writes is
   * one atomic change that depends on that snapshot. What arrived meanwhile is concurrent to it, and so are steps that
   * overlap on this handle: they write as other actors. A step that throws has written nothing.
   * @returns when the change is durable
   * @throws whatever `work` throws; WEFT_LABEL_INVALID · WEFT_CONFLICTS_OPEN · WEFT_ABORTED · WEFT_FLUSH_DEADLINE, and as
   *   `append`, `change`
   */
  async step<T>(
    name: string,
    work: (step: Step<State, Entries>) => Promise<T> | T,
    options: StepOptions = {},
  ): Promise<StepResult<T>> {
    checkLabels([name, options.reason, options.trace])
    while (options.requires && this.conflicts().length > 0) await untilResolved(this, options)
    const { last } = this.writer()
    const { heads } = this
    const snapshot = this.at(heads)
    const begin = (signal: AbortSignal) => {
      const step = new Step(name, this.definition, snapshot, signal, this.context.scratchLink)
      // The step does its work whether others can watch or not; whoever has to know awaits `share` itself.
      if (options.scratch === 'shared') step.scratch.share().catch(() => {})
      return step
    }
    const { step, value } = await runStep(begin, work, options.signal)
    const receipt = this.#commitStep(step, heads, last, options)
    const { timeout_ms } = options
    const position = await within(receipt.committed, { ...options, ...(timeout_ms && { timeout_ms }) }, () =>
      flushDeadline(this.context.unacknowledgedCount),
    )
    return { value, position, change: receipt.change, entries: receipt.entries }
  }

  /**
   * Says that something outside has changed: what was derived from another version of it is stale from now on.
   * @param ref `ext:<uri>`; @param version the version it has now
   * @throws WEFT_REF_INVALID
   */
  touch(ref: string, version?: string, options: WriteOptions = {}): Receipt {
    const parsed = parseRef(version === undefined ? ref : formatRef({ ref, version }))
    return this.#write({ writes: [formatRef(parsed)] }, options)
  }

  /**
   * Begins a branch here and opens it.
   * @param options.at a position of the committed log, or heads, to begin at instead of the present
   * @throws WEFT_BRANCH_EXISTS · WEFT_ID_INVALID · WEFT_POSITION_UNKNOWN · WEFT_CHANGE_UNKNOWN
   */
  fork(
    name: BranchName,
    options: WriteOptions & { readonly agent?: AgentId; readonly at?: Position | readonly ChangeId[] } = {},
  ): Context<State, Entries> {
    this.#fork([name], options.at)
    return this.#sibling(name, options.agent)
  }

  /**
   * Forks a branch per name, runs `work` on all of them at once, and merges them back. When some fail, nothing is
   * merged, their branches stay as they are, and the errors are thrown together.
   */
  async fanOut(
    names: readonly BranchName[],
    work: (branch: Context<State, Entries>) => Promise<void> | void,
  ): Promise<Merge> {
    this.#fork(names)
    const branches = names.map(name => this.#sibling(name))
    const results = await Promise.allSettled(branches.map(async branch => work(branch)))
    for (const branch of branches) branch.#giveUp()
    const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} of ${names.length} branches failed`)
    if (errors.length === 1) throw errors[0]
    return this.merge(...names)
  }

  /**
   * Undoes what an actor, a step, a range of the log or a blast radius wrote on this branch: one new change that names
   * what it undoes (STP-4). The entries stay in the log and are no longer shown; pointers get the value they had, but
   * for those that others have written since, which are `kept`. To undo a revert, revert it.
   * @throws WEFT_REVERT_NOTHING · WEFT_REVERT_ALREADY · WEFT_CHANGE_UNKNOWN · WEFT_POSITION_UNKNOWN · WEFT_REF_INVALID,
   *   and as `change`; then nothing has changed
   */
  revert(target: RevertTarget, options: RevertOptions = {}): Revert {
    const validated = (state: JsonObject): JsonObject => this.#validated(state)
    const { plan, write } = revertWrite(this.writer(), target, this.context.index, validated)
    return { ...plan, receipt: options.dryRun ? this.#record(undefined) : this.#write(write, options) }
  }

  /**
   * Says that the workflow is done, with all that is known of it here, on every branch. From then on its tenant's rule
   * of retention may remove it, unless somebody writes to it again (TIR-2). @throws as `change`
   */
  complete(options: WriteOptions = {}): Receipt {
    const { dag } = this.#begun().set
    return this.#write({ notes: { completes: dag.packIds([...dag.heads]) } }, options)
  }

  /** Brings branches into this one. The report is the same on every replica. @throws WEFT_BRANCH_UNKNOWN */
  merge(...branches: readonly BranchName[]): Merge {
    const change = this.#begun().merge(branches)
    const receipt = this.#record(change)
    return { ...mergeReport(this.set, change.id), receipt }
  }

  /**
   * Settles what is in conflict at a pointer: a change like any other, after all the values. Undefined deletes.
   * @throws WEFT_POINTER_INVALID, and as `change`
   */
  resolve(pointer: string, value: Json | undefined, options: WriteOptions = {}): Receipt {
    checkPointer(pointer)
    const state = this.#validated(withValueAt(this.state as JsonObject, pointer, value))
    return this.#write({ state, touches: [pointer] }, options)
  }

  /**
   * Takes in changes that were made elsewhere (an export, another replica) as they are, and offers them to the peer.
   * @param changes the bytes of each; deps need not come first
   * @returns how many were new here
   * @throws WEFT_CHANGE_* · WEFT_QUEUE_FULL at the first that does not fit; those before it stay
   */
  adopt(changes: Iterable<Uint8Array>): number {
    this.writer()
    this.#checkSyncs()
    return this.context.adopt(changes)
  }

  /** Resolves when all that was written to this context here is durable. @throws WEFT_FLUSH_DEADLINE · WEFT_ABORTED */
  override async flush(options: WaitOptions = {}): Promise<void> {
    await within(this.context.drained(), options, () => flushDeadline(this.context.unacknowledgedCount))
  }

  /** Flushes, and gives the handle up. Throws as `flush`, and stays open then. */
  async close(options: WaitOptions = {}): Promise<void> {
    if (this.#closed) return
    await this.flush(options)
    this.#giveUp()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The writer on the present set: after a withdrawal, a new one, as another actor. */
  protected override writer(): BranchWriter {
    if (this.#closed) throw handleClosed()
    const { set } = this.context
    if (this.#writer.set === set) return this.#writer
    if (!set.branches.has(this.branch)) throw unknownBranch(this.branch, set.branches.names())
    this.#writer.state.free()
    this.#writer = this.#newWriter()
    return this.#writer
  }

  /** What is written after `Replica.close` could never leave. */
  #checkSyncs(): void {
    if (this.context.failure?.code === 'WEFT_CLOSED') throw this.context.failure
  }

  #newWriter(): BranchWriter {
    return new BranchWriter(this.context.set, nodeHost, this.branch, this.agent)
  }

  #next(recipe: Recipe<State>): JsonObject {
    return this.#validated(produce(this.state as State, recipe as never) as JsonObject)
  }

  #validated(state: JsonObject): JsonObject {
    return validateState(this.definition.state, state)
  }

  #write(write: Write, { reason }: WriteOptions): Receipt {
    const why = reason === undefined ? write : { ...write, notes: { ...write.notes, reason } }
    return this.#record(this.#begun().write(why))
  }

  /** The writer, on a context that has its initial state: whoever writes to it first writes that before. */
  #begun(): BranchWriter {
    const writer = this.writer()
    this.#checkSyncs()
    if (writer.set.size === 0) this.#addGenesis(writer)
    return writer
  }

  /** Heads of the initial state, which it adds if nobody has. */
  #addGenesis({ set }: BranchWriter): ChangeId[] {
    if (this.#genesis === undefined) return []
    if (set.add(this.#genesis) !== NO_NODE) this.context.wrote(this.#genesis)
    return [this.#genesis.id]
  }

  /**
   * Writes as this handle's actor if the branch is as the step saw it and the actor has written nothing since; else as
   * an actor of the step's own, so that it does not claim to have seen what came meanwhile.
   */
  #commitStep(
    step: Step<State, Entries>,
    heads: readonly ChangeId[],
    last: Node,
    options: StepOptions,
  ): Receipt {
    const { entries, reads, state } = step.finish()
    if (entries.length === 0 && state === undefined) return this.#record(undefined)
    const notes = stepNotes(step.name, this.definition, options)
    const write = { entries, reads, notes, ...(state && { state }) }
    const writer = this.writer()
    this.#checkSyncs()
    const base = heads.length > 0 ? heads : this.#addGenesis(writer)
    const undisturbed = writer.last === last && sameIds(this.heads, base)
    if (undisturbed) return this.#record(writer.write(write))
    const own = new BranchWriter(writer.set, nodeHost, this.branch, this.agent, writer.set.nodes(base))
    try {
      return this.#record(own.write(write))
    } finally {
      own.state.free()
    }
  }

  #record(change: Change | undefined): Receipt {
    if (change === undefined) return new Receipt(undefined, [], () => Promise.resolve(this.position))
    this.context.wrote(change)
    const entries = change.header.kinds.map((_, index) => entryId(change.id, index))
    return new Receipt(change.id, entries, () => this.context.commits.settled(change.id))
  }

  /** Forks at the present, or, as an actor of its own, at a point in the past. */
  #fork(names: readonly BranchName[], at?: Position | readonly ChangeId[]): void {
    const writer = this.#begun()
    if (at === undefined) {
      this.#record(writer.fork(names))
      return
    }
    const { set } = writer
    const past = typeof at === 'number' ? this.context.index.headsAt(set, this.branch, at) : set.nodes(at)
    const elsewhere = this.#newWriter()
    this.#record(elsewhere.fork(names, past))
    elsewhere.state.free()
  }

  #sibling(branch: BranchName, agent: AgentId = this.agent): Context<State, Entries> {
    const handle = new Context(
      this.context,
      this.sessions,
      this.definition,
      agent,
      branch,
      this.onOpen,
      this.onClose,
    )
    this.onOpen(handle)
    return handle
  }

  #giveUp(): void {
    if (this.#closed) return
    this.#closed = true
    this.#writer.state.free()
    this.onClose(this)
  }
}

function sameIds(a: readonly ChangeId[], b: readonly ChangeId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}
