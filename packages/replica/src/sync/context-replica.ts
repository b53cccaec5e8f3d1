import {
  apart,
  type Change,
  type ChangeId,
  ChangeSet,
  CommitIndex,
  decodeChange,
  equivocation,
  Intake,
  isWeftError,
  NO_NODE,
  type Position,
  type Preconditions,
  type WeftError,
} from '@weft/core'
import type { LogItem, ReplicaSession } from '@weft/protocol'
import type { ScratchLink } from '@weft/scratch'
import { closedBefore, incomplete, notYet, undecided } from '../base/context-errors.js'
import type { ReplicaListener } from '../base/events.js'
import { Listeners } from '../base/listeners.js'
import type { ReplicaHost } from '../base/node-host.js'
import { forgetCounted } from '../base/token-counter.js'
import { type Deferred, deferred, holding, type WaitOptions, type Watch, within } from '../base/waiting.js'
import { Commits, type Outcome } from './commits.js'
import type { Link } from './link.js'
import { OwnChanges } from './own-changes.js'
import { Proposals } from './proposals.js'
import { checkMayErase, lacksDeps, refillOf } from './refill.js'
import { Refusals, withdrawalsOf } from './withdrawal.js'

/** Told after changes have been taken in, local or not, and after some were withdrawn: then none of `changes` is new. */
export type ChangeListener = (changes: readonly ChangeId[]) => void

/**
 * One context in this process: the set of changes, what is known of the committed log, and who waits for what. All
 * handles on the context share it.
 */
export class ContextReplica {
  readonly index = new CommitIndex()
  /** Who waits for which change. */
  readonly commits = new Commits(this.index)
  #set: ChangeSet
  readonly #listeners = new Listeners<Parameters<ChangeListener>>()
  readonly #positionListeners = new Listeners<[]>()
  readonly #remadeListeners = new Listeners<[]>()
  readonly #own = new OwnChanges()
  readonly #proposals = new Proposals()
  readonly #refusals = new Refusals(refusals => this.#takeBack(refusals))
  #synced: Deferred<void> = deferred()
  /** Whether everything that the peer had has been here once. */
  wasSynced = false
  #failure: WeftError | undefined
  /** Why nothing may be written here, while its replica is being closed. */
  sealed: WeftError | undefined
  /** The log of this connection could not be taken in to its end: nothing that it says after that counts. */
  #torn = false
  /** The log has lost something that may be here, and has not been offered what it lacks yet. */
  #rolledBack = false
  /** Where this connection went on with the log. */
  #resumedAt: Position = 0

  constructor(
    readonly workflow: string,
    private readonly session: ReplicaSession,
    private readonly link: Link,
    readonly host: ReplicaHost,
    private readonly onEvent: ReplicaListener,
  ) {
    this.#set = new ChangeSet(host.hash)
  }

  /** The set of changes. Another object after a change was withdrawn. */
  get set(): ChangeSet {
    return this.#set
  }

  /** Undefined before the first connection. */
  get tenant(): string | undefined {
    return this.session.tenant
  }

  /** Why the peer does not serve this context, or that it was closed. */
  get failure(): WeftError | undefined {
    return this.#failure
  }

  /** That it was closed: nothing changes here any more. */
  get closed(): WeftError | undefined {
    return this.#failure?.code === 'WEFT_CLOSED' ? this.#failure : undefined
  }

  /** Resolves when everything the peer had at opening is here; rejects when the peer will not serve it. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Changes written here that the peer has not acknowledged, oldest first. */
  get unacknowledged(): readonly Change[] {
    return this.#own.ids().map(id => this.#set.change(this.#set.dag.node(id)))
  }

  get unacknowledgedCount(): number {
    return this.#own.size
  }

  /** How a step shares its scratch. */
  get scratchLink(): ScratchLink {
    return { ...this.link.peer, workflow: this.workflow }
  }

  listen(listener: ChangeListener): () => void {
    return this.#listeners.add(listener)
  }

  /**
   * Resolves when `holds` does, asked now, after every change, and whenever more of the log is known.
   * @throws WEFT_ABORTED · WEFT_NOT_SYNCED · WEFT_CLOSED, why the peer no longer serves it, and what `holds` throws
   */
  async until(holds: () => boolean, options: WaitOptions, late = notYet): Promise<void> {
    // The latter asks at once, too.
    const watches: Watch[] = [ask => this.listen(ask), ask => this.onPosition(ask)]
    const { held, stop } = holding(holds, watches, () => this.#failure)
    await within(this.host.clock, held, options, () => late(options.timeout_ms)).finally(stop)
  }

  /** Calls back now, whenever more of the log is known, and when no more will come, until the returned function is called. */
  onPosition(listener: () => void): () => void {
    const stop = this.#positionListeners.add(listener)
    listener()
    return stop
  }

  /** Calls back when the set has become another object, before anybody is told, until the returned function is called. */
  onRemade(listener: () => void): () => void {
    return this.#remadeListeners.add(listener)
  }

  /** Queues a change that a handle has just added to the set. */
  wrote(change: Change): Outcome {
    const outcome = this.commits.began(change.id)
    this.#own.add(change.id)
    this.session.push(this.workflow, change)
    this.link.schedulePump()
    this.#tell([change])
    return outcome
  }

  /**
   * Offers a change that is not in the set: it comes in when the log has it, and never if the peer refuses it (DUR-6).
   * @returns its position, when it is visible here; rejects with the peer's refusal
   */
  propose(change: Change, preconditions: Preconditions): Promise<Position> {
    if (this.#failure) return Promise.reject(this.#failure)
    this.session.propose(this.workflow, change, preconditions)
    this.link.schedulePump()
    return this.#proposals.add(change)
  }

  /** Takes in changes from elsewhere and queues them; returns how many were new. */
  adopt(changes: Iterable<Uint8Array>): number {
    const intake = new Intake(this.#set)
    const forgetErased = this.#watchErasures()
    let adopted = 0
    try {
      for (const bytes of changes) {
        const change = decodeChange(bytes, this.host.hash)
        checkMayErase(this.#set, change, this.session.mayErase)
        const { applied, refused } = intake.receive(change)
        for (const { id } of applied) this.wrote(this.#set.change(this.#set.dag.node(id)))
        adopted += applied.length
        if (refused[0]) throw refused[0].error
      }
    } finally {
      forgetErased()
    }
    if (intake.waiting === 0) return adopted
    throw incomplete(intake.waiting, intake.missing())
  }

  /** Resolves when nothing is unacknowledged of what has been written here; rejects when the peer will not take it. */
  drained(): Promise<void> {
    if (this.#failure && this.#own.size > 0) return Promise.reject(this.#failure)
    return this.#own.drained()
  }

  opened(count: Position, rollback: boolean, position: Position): void {
    this.#torn = false
    this.#resumedAt = position
    this.#refusals.reconnected()
    if (rollback) this.#forgetAfter(position, count)
  }

  deliver(from: Position, items: readonly LogItem[]): void {
    const arrived: Change[] = []
    const forgetErased = this.#watchErasures()
    let position = from - 1
    try {
      for (const item of items) {
        const change = this.#takeIn(item, arrived)
        if (this.index.contradicts(position + 1, change)) {
          this.#isAnotherLogAfter(position)
          break
        }
        this.#committed(change, ++position)
      }
    } catch (error) {
      // A log holds what its changes depend on: what is not here stands where another one ended alike.
      if (this.#resumedAt > 0 && lacksDeps(error)) this.#isAnotherLogAfter(0)
      else {
        this.onEvent({ type: 'damaged', workflow: this.workflow, error })
        this.session.rewind(this.workflow, position, this.index.idAt(position) ?? '')
        this.#tear()
      }
    }
    const last = this.index.idAt(position)
    if (last !== undefined) this.session.delivered(this.workflow, position, last)
    if (arrived.length > 0) this.#tell(arrived)
    forgetErased()
    this.#positionListeners.tell()
  }

  acked(acks: readonly { readonly id: ChangeId; readonly position: Position }[]): void {
    for (const { id, position } of acks) {
      // What was proposed is here when the log brings it, behind all that the peer had when it took it.
      const node = this.#set.dag.find(id)
      if (node !== NO_NODE) this.#committed(this.#set.change(node), position)
    }
    this.#positionListeners.tell()
  }

  /** @param heads of the log as it was opened */
  caughtUp(afterRollback: boolean, heads: readonly ChangeId[]): void {
    const isTold = (id: ChangeId): boolean => this.index.positionOf(id) !== undefined
    // It goes on from where the one ended that was told once, and did not begin as that did.
    if (!this.#torn && !heads.every(isTold)) this.#isAnotherLogAfter(0)
    if (this.#torn) return
    if (afterRollback) {
      this.#refusals.settle()
      // Who may not write keeps what others wrote, and leaves it to them.
      const mayOffer = (id: ChangeId): boolean => this.session.mayWrite(this.workflow) || this.#own.has(id)
      const lacking = this.#set.changes().filter(({ id }) => !isTold(id) && mayOffer(id))
      const missing = refillOf(this.#set, lacking, isTold, this.session.mayErase)
      for (const change of missing) this.#own.add(change.id)
      this.session.offer(this.workflow, missing)
      this.#rolledBack = false
      this.link.schedulePump()
    }
    this.wasSynced = true
    this.#synced.resolve()
  }

  /** A change that the peer has refused is withdrawn at the end of this turn. */
  refused(id: ChangeId, cause: WeftError): void {
    if (this.#proposals.refused(id, cause)) return
    if (this.#set.has(id)) this.#refusals.add(id, cause)
    else if (!this.#refusals.isTold(id)) this.#tellRefused(id, cause)
  }

  /** The set is made anew without what was refused and what depends on that (DUR-7). */
  #takeBack(refusals: ReadonlyMap<ChangeId, WeftError>): void {
    const withdrawals = withdrawalsOf(this.#set, refusals)
    const withdrawn = new Set(withdrawals.flatMap(({ ids }) => ids))
    this.#remake(change => !withdrawn.has(change.id))
    this.#refusals.told(this.session.withdraw(this.workflow, withdrawn))
    for (const id of withdrawn) this.#own.delete(id)
    for (const { refused, ids, error } of withdrawals) {
      this.commits.refused(ids, error)
      this.#tellRefused(refused, error)
    }
    this.#tell([])
  }

  #tellRefused(change: ChangeId, error: WeftError): void {
    this.onEvent({ type: 'refused', workflow: this.workflow, change, error })
  }

  /** The peer answers nothing more. Whether it has taken what was `sent` is not known. */
  lost(error: WeftError, sent: ReadonlySet<ChangeId>): void {
    this.failed(error, id => (sent.has(id) ? undecided(id, error) : error))
  }

  /**
   * The peer will not serve this context any more. What is written stays here, and nobody waits for it in vain.
   * @param why what those are told who wait for a change, if not that
   */
  failed(error: WeftError, why: (id: ChangeId) => WeftError = () => error): void {
    this.#refusals.settle()
    this.#failure = error
    this.#synced.reject(error)
    this.#own.fail(error)
    this.commits.end(why)
    this.#proposals.end(why)
    this.#positionListeners.tell()
  }

  /** To be asked of the peer once more, with all that it has not acknowledged, after it failed. */
  revive(): void {
    this.#failure = undefined
    this.#synced = deferred()
    this.commits.resume()
    if (this.#rolledBack) this.session.rolledBack(this.workflow, 0, '')
    for (const change of this.unacknowledged) this.session.push(this.workflow, change)
  }

  close(): void {
    this.failed(closedBefore())
    this.#listeners.clear()
  }

  /**
   * What was made of content that is erased now is let go of: all of it is made anew from what is left. After what came
   * with the erasure was told of, for who compares before and after begins anew, too.
   */
  #watchErasures(): () => void {
    const set = this.#set
    const { forgotten } = set
    return () => {
      if (this.#set === set && set.forgotten === forgotten) return
      this.#remake(() => true)
      this.session.restate(
        this.workflow,
        refillOf(this.#set, this.unacknowledged, () => false, true),
      )
      forgetCounted()
      this.#tell([])
    }
  }

  #remake(isKept: (change: Change) => boolean): void {
    const kept = this.#set.changes().filter(isKept)
    this.#set = new ChangeSet(this.host.hash)
    for (const change of kept) this.#set.add(apart(change, this.host.hash), true)
    this.#remadeListeners.tell()
  }

  /** @throws when the change does not fit what is here, or is the name of one that is not here */
  #takeIn(item: LogItem, arrived: Change[]): Change {
    if ('bytes' in item) return this.#add(decodeChange(item.bytes, this.host.hash), arrived)
    const proposed = this.#proposals.get(item.id)
    if (proposed) return this.#add(proposed, arrived)
    return this.#set.change(this.#set.dag.node(item.id))
  }

  #add(change: Change, arrived: Change[]): Change {
    try {
      if (this.#set.add(change, true) !== NO_NODE) arrived.push(change)
    } catch (error) {
      if (!this.#giveWay(change, error)) throw error
      return this.#add(change, arrived)
    }
    return change
  }

  /**
   * Takes a change back that was written here and is not in the log, where the log holds another one in its place: the
   * peer's refusal is on its way, or would be. @returns whether that was in the way of `change`
   */
  #giveWay(change: Change, error: unknown): boolean {
    if (!isWeftError(error) || error.code !== 'WEFT_CHANGE_EQUIVOCATION') return false
    const known = this.#set.dag.find(error.details.known as ChangeId)
    if (known === NO_NODE || !this.#own.has(this.#set.dag.id(known))) return false
    const own = this.#set.change(known)
    this.refused(own.id, equivocation(own, change.id))
    this.#refusals.settle()
    return true
  }

  /** The log has another change than was told once: the peer lost some, and took others since (DUR-5). */
  #isAnotherLogAfter(position: Position): void {
    this.#forgetAfter(position, position)
    this.session.rolledBack(this.workflow, position, this.index.idAt(position) ?? '')
    this.#tear()
  }

  #tear(): void {
    this.#torn = true
    this.link.reset()
  }

  #forgetAfter(position: Position, has: Position): void {
    this.#rolledBack = true
    this.onEvent({ type: 'rollback', workflow: this.workflow, had: this.index.position, has })
    this.index.truncate(position)
  }

  #committed(change: Change, position: Position): void {
    this.index.recordChange(position, change)
    if (this.#own.size + this.#proposals.size + this.commits.size === 0) return
    // To spell an id takes more than all of this: that is left where nobody here waits for any.
    const { id } = change
    this.commits.committed(id, position)
    this.#proposals.accepted(id, position)
    this.#own.delete(id)
  }

  #tell(changes: readonly Change[]): void {
    if (this.#listeners.size > 0) this.#listeners.tell(changes.map(({ id }) => id))
  }
}
