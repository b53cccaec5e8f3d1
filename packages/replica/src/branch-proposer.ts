import {
  type BranchName,
  branchRef,
  type ChangeId,
  checkOverlayName,
  type EntrySchemas,
  ERASURES_BRANCH,
  type HeaderNotes,
  type Json,
  type JsonObject,
  type OverlaysNote,
  WAKES_BRANCH,
} from '@weft/core'
import { produce } from 'immer'
import { BranchEditor, type WriteOptions } from './branch-editor.js'
import { checkLabels } from './context-errors.js'
import { type DecideOptions, type Decision, decide } from './decide.js'
import { DraftChange } from './draft-change.js'
import { type EraseOptions, type Erasure, erase } from './erase.js'
import type { Expectations } from './expectations.js'
import { checkSeen } from './seen.js'
import { acquireLease, type Lease, type LeaseOptions } from './lease.js'
import { type Accepted, Proposal, type ProposalScope } from './proposer.js'
import { type SubscribeOptions, subscribe } from './subscribe.js'
import { Subscription, type SubscriptionStatus, statusOf } from './subscription.js'
import type { WaitOptions } from './waiting.js'

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
   *   WEFT_OVERLAY_STALE · WEFT_ID_INVALID · WEFT_LABEL_INVALID, and as `write`
   */
  async propose(
    compose: (draft: DraftChange<State, Entries>) => void,
    options: ProposeOptions,
  ): Promise<Accepted | undefined> {
    const { reason, step, trace, overlays = {}, expect = {} } = options
    checkLabels([reason, step, trace])
    for (const name of Object.keys(overlays)) checkOverlayName(name)
    const draft = new DraftChange<State, Entries>(this.definition)
    compose(draft)
    const { recipe, entries, reads } = draft
    const scope = this.scope()
    const seen = options.seen && checkSeen(this.set, this.definition, this.branch, options.seen)
    const heads = seen ?? this.heads
    const proposal = new Proposal(scope, heads.length > 0 ? heads : this.addGenesis())
    try {
      const notes = notesOf(options)
      const state = recipe && this.validated(produce(proposal.state, recipe as never) as JsonObject)
      const write = { entries, reads, ...(notes && { notes }), ...(state && { state }) }
      return await proposal.offer(write, expect, options)
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
   * The lease is renewed in the background; closing the handle gives it back.
   * @throws WEFT_LEASE_INVALID · WEFT_LEASE_HELD when `timeout_ms` passes first · WEFT_SCOPE · WEFT_ABORTED
   */
  async lease(options: LeaseOptions = {}): Promise<Lease> {
    const held = this.holding
    if (held?.held) return held
    this.holding = undefined
    const lease = await acquireLease(
      () => this.#leaseScope(),
      this.asked,
      { on: branchRef(this.branch) },
      options,
    )
    this.holding = lease
    return lease
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
    checkLabels([options.reason])
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

  /** Who claims what does not touch a branch that work is done on, nor need its lease. */
  #wakeScope(): ProposalScope {
    return this.#engineScope(WAKES_BRANCH)
  }

  #engineScope(branch: BranchName): ProposalScope {
    return { ...this.#leaseScope(), branch, under: undefined, schema: undefined }
  }

  /** Whoever cannot be reached will see it run out. */
  protected async giveBack(options: WaitOptions): Promise<void> {
    await this.holding?.release({ timeout_ms: RELEASE_MS, ...options }).catch(() => {})
  }
}

const RELEASE_MS = 2_000

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
