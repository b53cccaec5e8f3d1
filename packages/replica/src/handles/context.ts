import {
  type AgentId,
  type BranchName,
  type ChangeId,
  type ContextDefinition,
  type Entry,
  type EntrySchemas,
  type Handoff,
  headsAt,
  type Node,
  type OverlaysNote,
  type Position,
  type Write,
} from '@weft/core'
import { checkFunction, checkList, checkObject, checkText } from '../base/arguments.js'
import { checkLabels, flushDeadline, snapshotWithdrawn } from '../base/context-errors.js'
import type { Receipt } from '../base/receipt.js'
import { checkWait, type WaitOptions, within } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import type { Expectations } from '../sync/expectations.js'
import type { ContextHandle } from '../sync/handles.js'
import { attest } from '../sync/sessions.js'
import type { OverlayFollower } from '../overlays/overlay-follower.js'
import type { StepOverlays } from '../overlays/step-overlays.js'
import type { EntryOf } from '../reading/branch-reader.js'
import { untilResolved } from '../reading/conflict-gate.js'
import { StepWindows } from '../reading/step-windows.js'
import { type Accepted, Proposal } from '../writing/proposer.js'
import { planSummary, type Summarizer, type SummaryRange } from '../writing/summarize.js'
import { type HandoffOptions, makeHandoff } from '../leases/handoff.js'
import type { EffectHost, Resolver } from '../steps/effects.js'
import {
  expectingEffects,
  type FinishedStep,
  finishStep,
  runStep,
  type StepOptions,
  type StepResult,
  stepResult,
} from '../steps/step-run.js'
import type { StepSignal } from '../steps/step-signal.js'
import { Step, type StepHost } from '../steps/step.js'
import { type Merge, NAMES, type WriteOptions, withReason } from './branch-editor.js'
import { BranchProposer } from './branch-proposer.js'

/** What a handle needs of the replica that it was opened on. */
export interface ContextHost {
  readonly asked: Asked
  readonly resolve: Resolver | undefined
  /** What steps run under; undefined on a replica that does not follow the tenant's overlays. */
  readonly overlays: (() => OverlayFollower) | undefined
  onOpen(handle: ContextHandle): void
  onClose(handle: ContextHandle): void
}

/**
 * A branch of a context, open for one agent: what it reads is what is visible on the branch, and what it writes is
 * visible at once, here, and everywhere when it has been synced. Local writes are synchronous and work offline.
 * Each handle is an actor of its own. When a newer worker has migrated the branch, or another has brought something
 * unknown to it, all that reads or writes throws WEFT_SCHEMA_UNKNOWN (HND-2).
 */
export class Context<State, Entries extends EntrySchemas> extends BranchProposer<State, Entries> {
  /** @internal Made by `Replica.open`, `fork` and `fanOut`. */
  constructor(
    context: ContextReplica,
    private readonly host: ContextHost,
    definition: ContextDefinition<State, Entries>,
    agent: AgentId,
    branch: BranchName,
  ) {
    super(context, host.asked, definition, agent, branch)
  }

  /**
   * Runs one turn of an agent. It reads one snapshot and its own writes; what it reads is recorded; what it writes is
   * one atomic change that depends on that snapshot. What arrived meanwhile is concurrent to it, and so are steps that
   * overlap on this handle: they write as other actors. A step that throws has written nothing.
   * On a replica that follows the tenant's overlays it runs under those in force, and begins only when they are known.
   * One whose signal has aborted does not begin.
   * @returns when the change is durable
   * @throws whatever `work` throws, and what its signal aborts with; WEFT_SNAPSHOT_WITHDRAWN · WEFT_OVERLAY_STALE ·
   *   WEFT_OVERLAY_UNKNOWN · WEFT_LABEL_INVALID · WEFT_CONFLICTS_OPEN · WEFT_ABORTED · WEFT_FLUSH_DEADLINE, and as `append`,
   *   `change`
   */
  async step<T>(
    name: string,
    work: (step: Step<State, Entries>) => Promise<T> | T,
    options: StepOptions = {},
  ): Promise<StepResult<T>> {
    checkWait(options)
    checkLabels([checkText('the name of the step', name, 'name it by a text'), options.reason, options.trace])
    checkFunction('the work of the step', work)
    while (options.requires && this.conflicts().length > 0) await untilResolved(this, options)
    const overlays = this.host.overlays && (await this.host.overlays().begin(options))
    try {
      return await this.#run(name, work, options, overlays)
    } finally {
      overlays?.end()
    }
  }

  async #run<T>(
    name: string,
    work: (step: Step<State, Entries>) => Promise<T> | T,
    options: StepOptions,
    overlays: StepOverlays | undefined,
  ): Promise<StepResult<T>> {
    options.signal?.throwIfAborted()
    const { last } = this.upToDate()
    const { heads } = this
    const host = this.#stepHost(heads, overlays)
    const snapshot = this.present()
    const begin = (stop: StepSignal) => {
      const step = new Step(name, this.definition, snapshot, host, stop)
      // The step does its work whether others can watch or not; whoever has to know awaits `share` itself.
      if (options.scratch === 'shared') step.scratch.share().catch(() => {})
      return step
    }
    const reliance = this.context.commits.relyOn(heads)
    try {
      const { step, value } = await runStep(begin, work, this.#signals(options, overlays))
      if (reliance.refusal) {
        step.abandon()
        throw snapshotWithdrawn(name, reliance.refusal)
      }
      const finished = finishStep(step, this.definition, options)
      return await this.#commitWork(value, finished, heads, last, options)
    } finally {
      reliance.end()
    }
  }

  async #commitWork<T>(
    value: T,
    finished: FinishedStep,
    heads: readonly ChangeId[],
    last: Node,
    options: StepOptions,
  ): Promise<StepResult<T>> {
    const { expect } = options
    if (expect)
      return stepResult(
        value,
        await this.#proposeStep(finished, heads, { ...options, expect }),
        this.position,
      )
    const { change, entries, committed } = this.#commitStep(finished, heads, last)
    const position = await within(this.context.host.clock, committed, options, () =>
      flushDeadline(this.context.unacknowledgedCount),
    )
    return { value, position, change, entries }
  }

  /**
   * Writes an entry that stands for a causal range: windows show it instead (CMP-1), but for what is pinned, and what
   * came to the branch beside the range. It is stale when something in the range is.
   * @param summarizer makes the text of the range's entries; what is written meanwhile is concurrent to the summary
   * @throws WEFT_SUMMARY_EMPTY · WEFT_POSITION_UNKNOWN · WEFT_CHANGE_UNKNOWN, what `summarizer` throws, and as `append`
   */
  async summarize(
    range: SummaryRange,
    summarizer: Summarizer<EntryOf<Entries>>,
    options: WriteOptions = {},
  ): Promise<Receipt> {
    checkObject('the range', range, 'pass { from, to }, each a position or heads, or {} for all')
    checkFunction('the summarizer', summarizer)
    const { last } = this.upToDate()
    const { heads } = this
    const { entries, write } = planSummary(this.set, this.branch, range, this.context.index)
    const text = await summarizer(entries as readonly Entry[] as readonly EntryOf<Entries>[])
    return this.#writeFrom(withReason(write(text), options), heads, last)
  }

  /**
   * Hands this branch over to whoever resumes it (HND-1): flushes, gives back the lease, and says in plain JSON all that
   * the next worker has to have before it reads. Send it on whatever queue there is.
   * @throws as `token`
   */
  async handoff(options: HandoffOptions = {}): Promise<Handoff> {
    await this.flush(options)
    const lease = this.holding
    await lease?.release(options)
    const session = await attest(this.asked, this.context, options)
    await this.until(() => this.position >= session.position, options)
    // What others have written here since is not in the log that the session stands for.
    const heads = this.set.ids(headsAt(this.context.index, this.set, this.branch, session.position))
    const { workflow, agent, branch, definition } = this
    const self = { tenant: this.context.tenant!, workflow, agent, branch, definition }
    const said = { overlays: (await this.overlaysInForce(options)) ?? null, epoch: lease?.epoch ?? null }
    return makeHandoff(self, session, heads, said, options.carry)
  }

  /** @internal The overlays that a step would begin under; undefined on a replica that follows none. */
  async overlaysInForce(options: WaitOptions): Promise<OverlaysNote | undefined> {
    const step = await this.host.overlays?.().begin(options)
    step?.end()
    return step?.note
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
    this.#fork([name], checkObject('what fork was given as options', options).at)
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
    checkFunction('the work of the branches', work)
    this.#fork(checkList('what fanOut was given', names, NAMES))
    const branches = names.map(name => this.#sibling(name))
    const results = await Promise.allSettled(branches.map(async branch => work(branch)))
    await Promise.all(branches.map(branch => branch.giveBack({})))
    for (const branch of branches) branch.giveUp()
    const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} of ${names.length} branches failed`)
    if (errors.length === 1) throw errors[0]
    return this.merge(...names)
  }

  /** Resolves when all that has been written to this context here by now is durable. @throws WEFT_FLUSH_DEADLINE · WEFT_ABORTED */
  override async flush(options: WaitOptions = {}): Promise<void> {
    await within(this.context.host.clock, this.context.drained(), options, () =>
      flushDeadline(this.context.unacknowledgedCount),
    )
  }

  /** Flushes, and gives the handle up. Throws as `flush`, and stays open then. */
  async close(options: WaitOptions = {}): Promise<void> {
    if (this.isClosed) return
    await this.flush(options)
    await this.giveBack(options)
    this.giveUp()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal As `SchemaGuard.open`. */
  admit(writes: boolean): void {
    this.schema.open(this.writer().state, writes)
  }

  /** A step also ends when the lease that it began under is lost, or an overlay has come that it must not miss. */
  #signals({ signal }: WaitOptions, overlays: StepOverlays | undefined): readonly AbortSignal[] {
    return [signal, this.holding?.signal, overlays?.signal].filter(each => each !== undefined)
  }

  /** What a step that saw these heads depends on, together with what has come of its effects. */
  #seenBy(heads: readonly ChangeId[], effects: readonly ChangeId[] = []): readonly ChangeId[] {
    const seen = heads.length > 0 ? heads : this.addGenesis()
    if (effects.length === 0) return seen
    const { set } = this.context
    return set.ids(set.maximal(set.nodes([...seen, ...effects])))
  }

  #stepHost(heads: readonly ChangeId[], overlays: StepOverlays | undefined): StepHost {
    return {
      effects: this.#effectHost(heads),
      makeWindow: (options, told) => this.windowsAt(heads)(options, told),
      windows: new StepWindows(this.set),
      scratch: () => this.context.scratchLink,
      overlays,
    }
  }

  #effectHost(heads: readonly ChangeId[]): EffectHost {
    return {
      asked: this.asked,
      resolve: this.host.resolve,
      begin: () => this.scope(),
      seen: () => this.#seenBy(heads),
      stale: entry => this.why(entry).stale,
    }
  }

  async #proposeStep(
    { write, effects }: FinishedStep,
    heads: readonly ChangeId[],
    options: StepOptions & { readonly expect: Expectations },
  ): Promise<Accepted | undefined> {
    const proposal = new Proposal(this.scope(), this.#seenBy(heads, effects))
    try {
      if (write === undefined) return undefined
      const expect = expectingEffects(this.set, this.branch, options.expect, effects)
      return await proposal.offer(write, expect, options)
    } finally {
      proposal.free()
    }
  }

  #commitStep({ write, effects }: FinishedStep, heads: readonly ChangeId[], last: Node): Receipt {
    return write ? this.#writeFrom(write, heads, last, effects) : this.record(undefined)
  }

  /**
   * Writes as this handle's actor if the branch is as it was at these heads and the actor has written nothing since;
   * else as an actor of its own, so that it does not claim to have seen what came meanwhile.
   */
  #writeFrom(write: Write, heads: readonly ChangeId[], last: Node, effects?: readonly ChangeId[]): Receipt {
    const writer = this.ready()
    const base = this.#seenBy(heads, effects)
    const undisturbed = writer.last === last && sameIds(this.heads, base)
    if (undisturbed) return this.record(writer.write(write))
    const own = this.newWriter(base)
    try {
      return this.record(own.write(write))
    } finally {
      own.state.free()
    }
  }

  /** Forks at the present, or, as an actor of its own, at a point in the past. */
  #fork(names: readonly BranchName[], at?: Position | readonly ChangeId[]): void {
    this.ready().checkNew(names)
    const writer = this.begun()
    if (at === undefined) {
      this.record(writer.fork(names))
      return
    }
    const { set } = writer
    const past = typeof at === 'number' ? headsAt(this.context.index, set, this.branch, at) : set.nodes(at)
    const elsewhere = this.newWriter()
    this.record(elsewhere.fork(names, past))
    elsewhere.state.free()
  }

  #sibling(branch: BranchName, agent: AgentId = this.agent): Context<State, Entries> {
    const handle = new Context(this.context, this.host, this.definition, agent, branch)
    this.host.onOpen(handle)
    return handle
  }

  /** @internal As `giveUp`, but that nobody has to wait until its lease runs out. */
  async discard(): Promise<void> {
    await this.giveBack({})
    this.giveUp()
  }

  /** @internal Ends it as it is, whatever has not been acknowledged. */
  giveUp(): void {
    if (this.isClosed) return
    this.end()
    this.host.onClose(this)
  }
}

function sameIds(a: readonly ChangeId[], b: readonly ChangeId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}
