import {
  ABANDONED_BRANCH,
  type BranchName,
  type ChangeId,
  checkBranch,
  checkOverlayName,
  type EntrySchemas,
  ERASURES_BRANCH,
  type HeaderNotes,
  headsAt,
  type Json,
  type JsonObject,
  type OverlaysNote,
  type Position,
  WAKES_BRANCH,
} from '@weft/core'
import { checkList, checkObject } from '../base/arguments.js'
import { checkLabels } from '../base/context-errors.js'
import { withValueAt } from '../base/pointer-write.js'
import { checkSeen, checkShown } from '../base/seen.js'
import { checkWait, type WaitOptions } from '../base/waiting.js'
import type { Expectations } from '../sync/expectations.js'
import { stateAfter } from '../reading/recipe.js'
import {
  alreadyTaken,
  type Proposed,
  type ProposedAbandonment,
  type Proposing,
  proposeAbandonment,
  proposeFork,
  proposeMerge,
  takenNow,
} from '../writing/branch-proposals.js'
import { type DecideOptions, type Decision, decide } from '../writing/decide.js'
import { composed, type DraftChange } from '../writing/draft-change.js'
import { type EraseOptions, type Erasure, erase } from '../writing/erase.js'
import { type Accepted, Proposal, type ProposalScope } from '../writing/proposer.js'
import { type SettlingView, settledBefore } from '../writing/resolution-proposal.js'
import type { Lease, LeaseOptions } from '../leases/lease.js'
import { type SubscribeOptions, subscribe } from '../subscriptions/subscribe.js'
import { Subscription, type SubscriptionStatus, statusOf } from '../subscriptions/subscription.js'
import { BranchEditor, NAMES, type WriteOptions, withReason } from './branch-editor.js'

export interface ProposeOptions extends WriteOptions, WaitOptions {
  readonly expect?: Expectations
  /** What its author has seen, as heads; default: what the branch shows now. What has come since is concurrent to it. */
  readonly seen?: readonly ChangeId[]
  /** The step that it is of, by its name, and the W3C traceparent of the work the step is part of. */
  readonly step?: string
  readonly trace?: string
  /** All overlays that its author went by. The peer refuses it when one that it must not have missed is not among them. */
  readonly overlays?: OverlaysNote
}

export interface ForkProposalOptions extends WriteOptions, WaitOptions {
  /** A position of the committed log, or heads that the branch shows, to begin at instead of the present. */
  readonly at?: Position | readonly ChangeId[]
}

export interface ResolutionProposalOptions extends WriteOptions, WaitOptions {
  /** As of `propose`: values that have come since are not settled by it. */
  readonly seen?: readonly ChangeId[]
  readonly expect?: Expectations
}

/** The half of a branch handle that asks the peer first: writes on condition, and what is built of them. */
export abstract class BranchProposer<State, Entries extends EntrySchemas> extends BranchEditor<
  State,
  Entries
> {
  /**
   * Writes entries and a state change as one atomic change, which the peer takes only if what is expected still holds
   * when it comes to it (DUR-6). It is visible, here too, when the peer has taken it.
   * @throws WEFT_PRECONDITION, with what it would have needed in `details`: nothing was written · WEFT_NOT_SYNCED ·
   *   WEFT_ABORTED: whether it was, is not known yet · WEFT_CHANGE_UNKNOWN when the branch does not show what was `seen` ·
   *   WEFT_OVERLAY_STALE · WEFT_ID_INVALID · WEFT_LABEL_INVALID · WEFT_REF_INVALID · WEFT_POINTER_INVALID · WEFT_USAGE of what
   *   the peer cannot decide on, and as `write`
   */
  async propose(
    compose: (draft: DraftChange<State, Entries>) => void,
    options: ProposeOptions,
  ): Promise<Accepted | undefined> {
    checkObject('what propose was given beside it', options, 'pass { expect }')
    const { reason, step, trace, overlays = {}, expect = {} } = checkWait(options)
    checkLabels([reason, step, trace])
    for (const name of Object.keys(overlays)) checkOverlayName(name)
    const { recipes, entries, reads } = composed(this.definition, compose)
    const scope = this.scope()
    const seen = options.seen && checkSeen(this.set, this.definition, this.branch, options.seen)
    const heads = seen ?? this.heads
    const proposal = new Proposal(scope, heads.length > 0 ? heads : this.addGenesis())
    try {
      const notes = notesOf(options)
      const now = (): State => proposal.state as State
      const state = recipes.length > 0 && this.validated(stateAfter(now, recipes) as JsonObject)
      const write = { entries, reads, ...(notes && { notes }), ...(state && { state }) }
      return await proposal.offer(write, expect, options)
    } finally {
      proposal.free()
    }
  }

  /**
   * As `fork`, if none of the names has begun when the peer comes to it: of all who would begin the same one does, and by
   * asking again learns that it did.
   * @throws WEFT_BRANCH_EXISTS when somebody else began one of them, or this agent others with it · WEFT_USAGE of more than
   *   the peer can decide on at once · WEFT_ID_INVALID · WEFT_POSITION_UNKNOWN · WEFT_CHANGE_UNKNOWN, and as `propose`
   */
  async proposeFork(names: readonly BranchName[], options: ForkProposalOptions = {}): Promise<Proposed> {
    checkLabels([checkWait(options).reason])
    checkList('what proposeFork was given', names, NAMES)
    const { branch, agent } = this
    this.ready()
    const at = options.at === undefined ? undefined : this.#past(options.at)
    const fork = { branch, agent, names, at }
    return proposeFork(this.#proposing(), fork, options, () => this.ready().checkNew(names))
  }

  /**
   * As `merge`, but that it writes nothing when the branch shows all of the others: then it answers with the merge that
   * brought just them as they are, if one did. `mergeReport` tells what it brought.
   * @throws WEFT_BRANCH_UNKNOWN · WEFT_ID_INVALID, and as `propose`
   */
  async proposeMerge(
    branches: readonly BranchName[],
    options: WriteOptions & WaitOptions = {},
  ): Promise<Proposed> {
    checkLabels([checkWait(options).reason])
    for (const name of checkList('what proposeMerge was given', branches, NAMES)) checkBranch(name)
    this.ready().checkKnown(branches)
    return proposeMerge(this.#proposing(branches), this.branch, branches, options)
  }

  /** As `abandon`, of those that are not abandoned yet. @throws as `abandon`, and as `propose` */
  async proposeAbandonment(
    branches: readonly BranchName[],
    options: WriteOptions & WaitOptions = {},
  ): Promise<ProposedAbandonment> {
    checkLabels([checkWait(options).reason])
    checkList('what proposeAbandonment was given', branches, NAMES)
    const { context } = this
    this.ready()
    return proposeAbandonment(
      { context, begin: () => this.#engineScope(ABANDONED_BRANCH) },
      branches,
      options,
    )
  }

  /**
   * As `resolve`, where there is a conflict to settle. Whoever asks again learns of the resolution that came of it, also
   * when somebody has written there since.
   * @param options.seen what tells a second attempt from a second resolution, while another conflict is open there
   * @throws WEFT_CONFLICT_UNKNOWN · WEFT_POINTER_INVALID · WEFT_CHANGE_UNKNOWN, and as `propose`
   */
  async proposeResolution(
    pointer: string,
    value: Json | undefined,
    options: ResolutionProposalOptions = {},
  ): Promise<Proposed> {
    checkLabels([checkWait(options).reason])
    this.ready()
    const seen = options.seen && checkSeen(this.set, this.definition, this.branch, options.seen)
    const before = settledBefore({ pointer, value, agent: this.agent }, this.#settling(pointer, seen))
    if (before !== undefined) return alreadyTaken(this.context, before, options)
    const scope = this.scope()
    const proposal = new Proposal(scope, seen ?? this.heads)
    try {
      const state = this.validated(withValueAt(proposal.state, pointer, value))
      const write = withReason({ state, touches: [pointer] }, options)
      const accepted = await proposal.offer(write, options.expect ?? {}, options)
      return takenNow(accepted!)
    } finally {
      proposal.free()
    }
  }

  /**
   * Decides what a pointer of the state shall hold: `choose` is given what it holds, and asked again when somebody else
   * has written there before the peer could take the decision. Undefined deletes.
   * @throws WEFT_POINTER_INVALID · WEFT_PRECONDITION when others were faster every time, and as `propose`
   */
  decide(
    pointer: string,
    choose: (value: Json | undefined, state: Readonly<State>) => Promise<Json | undefined> | Json | undefined,
    options: DecideOptions = {},
  ): Promise<Decision> {
    return decide(
      () => this.scope(),
      pointer,
      (value, state) => choose(value, state as Readonly<State>),
      state => this.validated(state),
      options,
    )
  }

  /**
   * Makes this handle the only one that may write to its branch, as long as it lives (HND-3); waits while another is.
   * The lease is renewed in the background; closing the handle, or its replica, gives it back. Calls that come together
   * are given one lease, on the terms of the first.
   * @throws WEFT_LEASE_INVALID · WEFT_LEASE_HELD when `timeout_ms` passes first · WEFT_SCOPE · WEFT_ABORTED ·
   *   WEFT_CLOSED when the handle is closed first: it holds nothing then
   */
  lease(options: LeaseOptions = {}): Promise<Lease> {
    return this.leasing.ask(() => this.#leaseScope(), options)
  }

  /**
   * A named subscription of this context (WAK-1), defined if it is not there yet: what happens, on whatever branch, is
   * handed to one worker of a pool at a time, from its first position on.
   * @throws WEFT_SUBSCRIPTION_EXISTS when it is there with another filter · WEFT_FILTER_INVALID · WEFT_ID_INVALID ·
   *   WEFT_POSITION_UNKNOWN · WEFT_SCOPE · WEFT_ABORTED
   */
  async subscribe(name: string, options: SubscribeOptions = {}): Promise<Subscription> {
    const begin = (): ProposalScope => this.#wakeScope()
    await subscribe(begin, name, options)
    return new Subscription(begin, this.asked, name)
  }

  /** One that is there, to whoever does not define it. @throws WEFT_SUBSCRIPTION_UNKNOWN */
  subscription(name: string): Subscription {
    statusOf(this.context, name)
    return new Subscription(() => this.#wakeScope(), this.asked, name)
  }

  /** How the subscriptions of this context stand. */
  subscriptions(): readonly SubscriptionStatus[] {
    return this.set.wakes.names().map(name => statusOf(this.context, name))
  }

  /**
   * Erases the content of entries or changes everywhere (ERA-1): here, at the peer, on every replica, and from what is
   * exported from then on. Their headers stay; readers see that it was erased, by whom and why. Takes a token with the
   * scope admin. What was copied from it into later changes is not erased: `derived` lists where to look.
   * @param targets ids of entries or of changes; a change is erased whole, with what it wrote to the state
   * @returns when the peer has taken it
   * @throws WEFT_ERASE_NOTHING · WEFT_ERASE_REFUSED · WEFT_ERASE_IN_FORCE when the state shows it still · WEFT_SCOPE ·
   *   WEFT_CHANGE_UNKNOWN · WEFT_ENTRY_UNKNOWN · WEFT_LABEL_INVALID · WEFT_CHANGE_TOO_LARGE · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async erase(targets: readonly string[], options: EraseOptions = {}): Promise<Erasure> {
    checkLabels([checkWait(options).reason])
    return erase(this.#engineScope(ERASURES_BRANCH), targets, options)
  }

  /** Where a proposal is made on this branch now, on a context that is begun and up to date. */
  protected scope(): ProposalScope {
    this.begun()
    return this.#leaseScope()
  }

  /** A lease is asked for before anything is written under it, a migration too. */
  #leaseScope(): ProposalScope {
    const { context, branch, agent, under, definition } = this
    if (this.ready().set.size === 0) this.addGenesis()
    return { context, branch, agent, under, schema: { name: definition.name, version: definition.version } }
  }

  /** What is on this branch is begun and up to date when something of it is proposed, and so is what else it concerns. */
  #proposing(concerned: readonly BranchName[] = []): Proposing {
    const begin = (): ProposalScope => {
      const scope = this.scope()
      for (const branch of concerned) this.schema.upToDate(branch)
      return scope
    }
    return { context: this.context, begin }
  }

  /** Heads in the past of this branch. @throws WEFT_POSITION_UNKNOWN · WEFT_CHANGE_UNKNOWN */
  #past(at: Position | readonly ChangeId[]): readonly ChangeId[] {
    const { set } = this
    if (typeof at === 'number') return set.ids(headsAt(this.context.index, set, this.branch, at))
    return set.ids(set.maximal(checkShown(set, this.branch, at)))
  }

  #settling(pointer: string, seen: readonly ChangeId[] | undefined): SettlingView {
    const { set } = this
    const view = seen && set.viewAt(set.nodes(seen))
    return {
      conflicts: seen ? this.at(seen).conflicts() : this.conflicts(),
      resolutions: this.resolutions({ pointer }),
      hasSeen: view && (change => view.has(set.dag.node(change))),
      writesOf: change => set.change(set.dag.node(change)).header.writes,
      stateBefore: change => this.at(set.change(set.dag.node(change)).header.deps).state as JsonObject,
      stateAt: change => this.at([change]).state as JsonObject,
      validated: state => this.validated(state),
    }
  }

  /** Who claims what does not touch a branch that work is done on, nor need its lease. */
  #wakeScope(): ProposalScope {
    return this.#engineScope(WAKES_BRANCH)
  }

  #engineScope(branch: BranchName): ProposalScope {
    return { ...this.#leaseScope(), branch, under: undefined, schema: undefined }
  }

  /** @internal Gives back its lease, and has none any more. */
  giveBack(options: WaitOptions): Promise<void> {
    return this.leasing.end(options)
  }
}

/** What a proposal says of itself; undefined when that is nothing, so that one that writes nothing stays empty. */
function notesOf({ reason, step, trace, overlays }: ProposeOptions): HeaderNotes | undefined {
  const notes = {
    ...(reason !== undefined && { reason }),
    ...(step !== undefined && { step }),
    ...(trace !== undefined && { trace }),
    ...(overlays && { overlays }),
  }
  return Object.keys(notes).length === 0 ? undefined : notes
}
