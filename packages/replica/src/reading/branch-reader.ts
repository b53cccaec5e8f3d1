import {
  type AgentId,
  type AuditFilter,
  type AuditRecord,
  audit,
  type BlastRadius,
  type BranchName,
  type BranchWriter,
  type Change,
  type ChangeId,
  type ChangeSet,
  type Conflict,
  type ContextDefinition,
  type ContextEvent,
  digest,
  EFFECT_KIND,
  type EffectOutcome,
  type EntriesOptions,
  type Entry,
  type EntryId,
  type EntrySchemas,
  findConflicts,
  findResolutions,
  headsAt,
  isEngineBranch,
  isWeftError,
  type JsonObject,
  type KindOf,
  lastWriters,
  MAIN_BRANCH,
  type MergeReport,
  mergeReport,
  type Position,
  type Resolution,
  readOutcome,
  type Stale,
  type ToldOverlay,
  Staleness,
  type ValueOf,
  type VersionedRef,
  type Window,
  type WindowFormat,
} from '@weft/core'
import { checkFunction, checkList, checkObject, checkText } from '../base/arguments.js'
import { type BranchStatus, branchStatus, isUnmerged } from '../base/branch-status.js'
import { entryNotShown } from '../base/context-errors.js'
import { Listeners } from '../base/listeners.js'
import { nodeHost } from '../base/node-host.js'
import { Snapshot } from '../base/snapshot.js'
import type { WaitOptions } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import { attest, reach } from '../sync/sessions.js'
import { type EventsOptions, eventsOf } from './event-stream.js'
import { SchemaGuard } from './schema-guard.js'
import { staleOf } from './stale-stream.js'
import { BranchWindows, type MakeWindow, type WindowOptions } from './windows.js'

/** An entry of any kind that a definition names; `kind` tells its value's type. */
export type EntryOf<Entries extends EntrySchemas> = {
  [Kind in KindOf<Entries>]: Entry<Kind, ValueOf<Entries, Kind>>
}[KindOf<Entries>]

/** What an entry was derived from, and what has become of that. */
export interface Derivation {
  readonly entry: EntryId
  readonly reads: readonly VersionedRef[]
  /** Why it is stale; undefined while it is not. */
  readonly stale: Stale | undefined
}

/** What has come of a side effect, and who recorded it when (ms since 1970 UTC, by that worker's clock). */
export type RecordedEffect = EffectOutcome & {
  readonly entry: EntryId
  readonly agent: AgentId
  readonly time: number
}

/** The reading half of a branch handle: all that is a function of what is visible on the branch. */
export abstract class BranchReader<State, Entries extends EntrySchemas> {
  #staleness: { readonly set: ChangeSet; readonly index: Staleness } | undefined
  #windows: { readonly set: ChangeSet; readonly of: BranchWindows } | undefined
  protected readonly schema: SchemaGuard
  readonly #endListeners = new Listeners<[]>()

  constructor(
    protected readonly context: ContextReplica,
    protected readonly asked: Asked,
    readonly definition: ContextDefinition<State, Entries>,
    readonly agent: AgentId,
    readonly branch: BranchName,
  ) {
    this.schema = new SchemaGuard(context, definition as ContextDefinition, branch)
  }

  /** The writer on the present set. @throws WEFT_CLOSED · WEFT_SCHEMA_UNKNOWN */
  protected abstract writer(): BranchWriter

  /** Resolves when all that has been written to this context here by now is durable. @throws WEFT_FLUSH_DEADLINE · WEFT_ABORTED */
  abstract flush(options?: WaitOptions): Promise<void>

  get workflow(): string {
    return this.context.workflow
  }

  /** The committed log is known here up to this position. */
  get position(): Position {
    return this.context.index.position
  }

  get heads(): readonly ChangeId[] {
    return this.set.heads(this.branch)
  }

  /** The heads of all branches together: `at(frontier)` shows everything that is here. */
  get frontier(): readonly ChangeId[] {
    return this.set.ids(this.set.dag.heads)
  }

  get branches(): readonly BranchName[] {
    return this.set.branches.names().filter(name => !isEngineBranch(name))
  }

  /**
   * Branches that end in changes which nothing depends on: neither merged, nor abandoned, nor gone on with under another name.
   * `main` is not one of them, nor is one that nothing was written on.
   */
  get unmerged(): readonly BranchName[] {
    const { set } = this
    return this.branches.filter(name => name !== MAIN_BRANCH && isUnmerged(set, name))
  }

  /** The heads of any branch, and whether it was merged or abandoned. @throws WEFT_BRANCH_UNKNOWN */
  branchStatus(name: BranchName): BranchStatus {
    return branchStatus(this.set, name)
  }

  /** Whether the branch was abandoned, and nothing written on it by anybody who did not know. */
  get isAbandoned(): boolean {
    return this.set.abandonments.has(this.branch)
  }

  /** The state, deeply frozen; the same object until it changes. @throws WEFT_MIGRATION_FAILED */
  get state(): Readonly<State> {
    const { set, state } = this.writer()
    const initial = set.size === 0 ? this.definition.initial : undefined
    return (initial ?? this.schema.shown(state)) as Readonly<State>
  }

  /** The entries visible on the branch, flattened; without those that have been reverted, unless asked for. */
  entries(options: Omit<EntriesOptions, 'engine'> = {}): readonly EntryOf<Entries>[] {
    const { set } = this.writer()
    return set.entries(set.view(this.branch), options) as readonly Entry[] as readonly EntryOf<Entries>[]
  }

  /** What has come of the side effects that the branch shows, in order. */
  effects(): readonly RecordedEffect[] {
    const { set } = this.writer()
    return set.entries(set.view(this.branch), { engine: true }).flatMap(entry => {
      const outcome = entry.kind === EFFECT_KIND ? readOutcome(entry.value) : undefined
      return outcome ? [{ ...outcome, entry: entry.id, agent: entry.agent, time: entry.time }] : []
    })
  }

  /**
   * The branch flattened for a model, within a budget of tokens: what is pinned first, then summaries and history, tool
   * calls only with their results. Equal sets give equal bytes.
   * @param options.at the branch as it was at a position of the committed log, or as heads show it; default: as it is
   * @throws WEFT_WINDOW_BUDGET when what is pinned alone exceeds the budget · WEFT_WINDOW_OPTIONS · WEFT_KIND_UNKNOWN ·
   *   WEFT_CHANGE_UNKNOWN · WEFT_POSITION_UNKNOWN · WEFT_RENDER_FAILED
   */
  window<As extends WindowFormat = 'openai'>(
    options: WindowOptions<As> & {
      readonly at?: Position | readonly ChangeId[]
      readonly overlays?: readonly ToldOverlay[]
    },
  ): Window<As> {
    const { at, overlays, ...rest } = checkObject('what window was given', options, 'pass { budget }')
    const heads = at === undefined ? this.heads : this.#headsAt(at)
    return this.windowsAt(heads)(rest as WindowOptions<As>, overlays)
  }

  /** The report of a merge made anywhere. @throws WEFT_CHANGE_UNKNOWN */
  mergeReport(change: ChangeId): MergeReport {
    return mergeReport(this.set, change)
  }

  /** Concurrent writes that nobody has resolved, with all their values. */
  conflicts(): readonly Conflict[] {
    const { set, state } = this.writer()
    return findConflicts(set, set.view(this.branch), state)
  }

  /** Conflicts that somebody has closed: who chose what, why, and of which values. @throws WEFT_POINTER_INVALID */
  resolutions(options: { readonly pointer?: string } = {}): readonly Resolution[] {
    const { set, state } = this.writer()
    return findResolutions(set, set.view(this.branch), state, options.pointer)
  }

  /**
   * The changes that wrote last at a pointer, above or below it, as the branch shows it: what a write can be made to
   * expect. @throws WEFT_POINTER_INVALID
   */
  lastWriters(pointer: string): readonly ChangeId[] {
    const { set } = this.writer()
    return lastWriters(set, set.view(this.branch), pointer)
  }

  /** What is stale on the branch, and why, in order. */
  stale(): readonly Stale[] {
    return this.#stalenessIndex().all()
  }

  /** What an entry was derived from, what made it stale, by whom. @throws WEFT_CHANGE_UNKNOWN · WEFT_ENTRY_UNKNOWN */
  why(entry: EntryId): Derivation {
    checkText('the entry', entry, 'pass the id of an entry')
    const index = this.#stalenessIndex()
    if (!index.shows(entry)) throw entryNotShown(entry)
    return { entry, reads: index.derivedFrom(entry), stale: index.why(entry) }
  }

  /** What was derived from a ref, transitively. @throws WEFT_REF_INVALID */
  blastRadius(ref: string): BlastRadius {
    return this.#stalenessIndex().blastRadius(ref)
  }

  /**
   * Calls back with what becomes stale on the branch, in the same turn in which the write that made it so is taken in
   * (STL-5), until the returned function is called. What is stale already is not told.
   */
  onInvalidated(listener: (stale: readonly Stale[]) => void): () => void {
    return this.#watch(checkFunction('the listener', listener), () => {})
  }

  /**
   * As `onInvalidated`, one at a time; ends when the signal aborts.
   * @throws WEFT_SCHEMA_UNKNOWN · WEFT_CLOSED when the handle or its replica is closed
   */
  invalidations(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Stale> {
    return staleOf((tell, failed) => this.#watch(tell, failed), options)
  }

  /** The branch as it was at a position of the committed log, or as heads show it. */
  at(when: Position | readonly ChangeId[]): Snapshot<State, EntryOf<Entries>> {
    return new Snapshot(this.set, this.branch, this.#headsAt(when), this.definition.initial)
  }

  /** The branch as it is, for as long as somebody needs it so. */
  protected present(): Snapshot<State, EntryOf<Entries>> {
    const { set, heads, state } = this
    return new Snapshot(set, this.branch, heads, this.definition.initial, state as JsonObject)
  }

  /** The changes of the branch in order, filtered. @throws WEFT_FILTER_INVALID · WEFT_POINTER_INVALID */
  audit(filter: AuditFilter = {}): Iterable<AuditRecord> {
    const { set } = this.writer()
    return audit(set, set.view(this.branch), filter)
  }

  /**
   * What happens in the context, on whatever branch, in the order of the committed log, from a position on and as it
   * happens. It keeps no position for anybody: a subscription does.
   * @throws WEFT_FILTER_INVALID · WEFT_POSITION_UNKNOWN, and why the peer no longer serves the context
   */
  events(options: EventsOptions = {}): AsyncGenerator<ContextEvent> {
    return eventsOf(this.context, options)
  }

  /** All changes that are here, of all branches, deps first, as their authors made them: what `adopt` takes. */
  changes(): readonly Change[] {
    return this.set.changes()
  }

  /** Where a change stands in the committed log, or undefined while it is not known to be there. */
  positionOf(change: ChangeId): Position | undefined {
    return this.context.index.positionOf(change)
  }

  /** Equal on every replica that holds the same changes (CHG-4). */
  digest(): string {
    return digest(this.set, nodeHost.hash)
  }

  /** Calls back after changes were taken in, local or not, or withdrawn (then with none), until the returned function is called. */
  onChange(listener: (changes: readonly ChangeId[]) => void): () => void {
    return this.context.listen(listener)
  }

  /**
   * Resolves when `holds` does, asked now, after every change, and whenever more of the committed log is known.
   * @throws WEFT_ABORTED · WEFT_NOT_SYNCED, why the peer no longer serves the context, and what `holds` throws
   */
  async until(holds: () => boolean, options: WaitOptions = {}): Promise<void> {
    await this.context.until(holds, options)
  }

  /**
   * Proof of all that has been written and seen here by now: opened after it, any replica of the tenant shows at least
   * that much (SES-1). Signed by the peer; grants no access.
   * @throws WEFT_SESSION_UNAVAILABLE · WEFT_FLUSH_DEADLINE · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async token(options: WaitOptions = {}): Promise<string> {
    await this.flush(options)
    return (await attest(this.asked, this.context, options)).token
  }

  /** Resolves when all that a session token stands for is here. @throws as `Replica.open` with `after` */
  async reach(token: string, options: WaitOptions = {}): Promise<void> {
    await reach(this.asked, this.context, token, options)
  }

  #headsAt(when: Position | readonly ChangeId[]): readonly ChangeId[] {
    const { set } = this
    if (typeof when === 'number') return set.ids(headsAt(this.context.index, set, this.branch, when))
    return checkList('the place in the log', when, 'pass a position, or heads as a list')
  }

  /** Tells what becomes stale, until stopped, or until the handle can no longer read: `failed` then hears why. */
  #watch(listener: (stale: readonly Stale[]) => void, failed: (error: unknown) => void): () => void {
    const { context } = this
    let index: Staleness | undefined = this.#stalenessIndex()
    let told = index.count
    const look = (): void => {
      let stale: readonly Stale[] = []
      try {
        const present = this.#stalenessIndex()
        // After a withdrawal the index is another one, and begins with what is stale without what was withdrawn.
        if (index === undefined || present === index) stale = present.since(told)
        index = present
        told = index.count
      } catch (error) {
        // Its fork was withdrawn, and may be made anew: nothing of the branch has been told then.
        index = undefined
        told = 0
        if (isWeftError(error) && error.code === 'WEFT_BRANCH_UNKNOWN') return
        end(error)
        return
      }
      if (stale.length > 0) listener(stale)
    }
    const stops: (() => void)[] = []
    const stop = (): void => {
      for (const each of stops) each()
    }
    const end = (error: unknown): void => {
      stop()
      failed(error)
    }
    stops.push(context.listen(look), this.#endListeners.add(look))
    stops.push(context.onPosition(() => context.closed && end(context.closed)))
    return stop
  }

  protected get set(): ChangeSet {
    return this.writer().set
  }

  /** Makes windows of what heads show; those of the present are made from what is kept from call to call. */
  protected windowsAt(heads: readonly ChangeId[]): MakeWindow {
    const { set } = this
    if (this.#windows?.set !== set) {
      this.#windows = {
        set,
        of: new BranchWindows(set, this.branch, this.definition, this.#stalenessIndex()),
      }
    }
    return this.#windows.of.at(heads)
  }

  /** Nothing is read through it after this: whoever waits for something hears of it. */
  protected end(): void {
    this.letGo()
    this.#endListeners.tell()
  }

  /** Lets go of what was made of a set that is no longer the context's. */
  protected letGo(): void {
    this.#staleness = undefined
    this.#windows = undefined
    this.schema.forget()
  }

  /** Kept from call to call, and begun anew after a withdrawal. */
  #stalenessIndex(): Staleness {
    const { set } = this
    if (this.#staleness?.set !== set)
      this.#staleness = { set, index: new Staleness(set, set.view(this.branch)) }
    return this.#staleness.index
  }
}
