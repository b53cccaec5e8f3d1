import {
  audit,
  type Change,
  type ChangeId,
  ChangeSet,
  CommitIndex,
  decodeChange,
  Intake,
  isWeftError,
  NO_NODE,
  type Position,
  WeftError,
} from '@weft/core'
import type { LogItem, ReplicaSession } from '@weft/protocol'
import { Commits } from './commits.js'
import type { ReplicaListener } from './events.js'
import type { Link } from './link.js'
import { nodeHost } from './node-host.js'
import { type Deferred, deferred } from './waiting.js'

/** Told after changes have been taken in, local or not; `changes` are new here. */
export type ChangeListener = (changes: readonly ChangeId[]) => void

/**
 * One context in this process: the set of changes, what is known of the committed log, and who waits for what. All
 * handles on the context share it.
 */
export class ContextReplica {
  readonly index = new CommitIndex()
  readonly commits = new Commits(this.index)
  #set = new ChangeSet(nodeHost.hash)
  #intake = new Intake(this.#set)
  readonly #listeners = new Set<ChangeListener>()
  readonly #own = new Set<ChangeId>()
  #synced: Deferred<void> = deferred()
  #drained: Deferred<void> | undefined
  #failure: WeftError | undefined

  constructor(
    readonly workflow: string,
    private readonly session: ReplicaSession,
    private readonly link: Link,
    private readonly onEvent: ReplicaListener,
  ) {}

  /** The set of changes. Another object after a change was withdrawn. */
  get set(): ChangeSet {
    return this.#set
  }

  /** Resolves when everything the peer had at opening is here; rejects when the peer will not serve it. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Changes written here that the peer has not acknowledged, oldest first. */
  get unacknowledged(): readonly Change[] {
    return [...this.#own].map(id => this.#set.change(this.#set.dag.node(id)))
  }

  get unacknowledgedCount(): number {
    return this.#own.size
  }

  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Queues a change that a handle has just added to the set. */
  wrote(change: Change): void {
    this.#own.add(change.id)
    this.session.push(this.workflow, change)
    this.link.schedulePump()
    this.#tell([change.id])
  }

  /** Takes in changes from elsewhere and queues them; returns how many were new. */
  adopt(changes: Iterable<Uint8Array>): number {
    let adopted = 0
    for (const bytes of changes) {
      const arrived: ChangeId[] = []
      this.#takeIn(bytes, arrived)
      for (const id of arrived) this.wrote(this.#set.change(this.#set.dag.node(id)))
      adopted += arrived.length
    }
    if (this.#intake.waiting === 0) return adopted
    throw new WeftError(
      'WEFT_CHANGE_DEPS_MISSING',
      `${this.#intake.waiting} change(s) wait for deps that are not among them`,
      'pass the missing changes too',
      { missing: this.#intake.missing() },
    )
  }

  /** Resolves when nothing written here is unacknowledged; rejects when the peer will not take it. */
  drained(): Promise<void> {
    if (this.#own.size === 0) return Promise.resolve()
    if (this.#failure) return Promise.reject(this.#failure)
    this.#drained ??= deferred()
    return this.#drained.promise
  }

  opened(count: Position, rollback: boolean, position: Position): void {
    if (!rollback) return
    this.onEvent({ type: 'rollback', workflow: this.workflow, had: this.index.position, has: count })
    this.index.truncate(position)
  }

  deliver(from: Position, items: readonly LogItem[]): void {
    const arrived: ChangeId[] = []
    try {
      items.forEach((item, offset) => {
        const id = 'id' in item ? item.id : this.#takeIn(item.bytes, arrived)
        this.#committed(id, from + offset)
      })
    } catch (error) {
      this.onEvent({ type: 'damaged', workflow: this.workflow, error })
      const { position } = this.index
      this.session.rewind(this.workflow, position, this.index.idAt(position) ?? '')
      this.link.reset()
    }
    const position = from + items.length - 1
    const last = this.index.idAt(position)
    if (last !== undefined) this.session.delivered(this.workflow, position, last)
    if (arrived.length > 0) this.#tell(arrived)
  }

  acked(acks: readonly { readonly id: ChangeId; readonly position: Position }[]): void {
    for (const { id, position } of acks) this.#committed(id, position)
  }

  caughtUp(afterRollback: boolean): void {
    if (afterRollback) {
      const missing = this.#set.changes().filter(change => this.index.positionOf(change.id) === undefined)
      for (const change of missing) this.#own.add(change.id)
      this.session.offer(this.workflow, missing)
      this.link.schedulePump()
    }
    this.#synced.resolve()
  }

  /**
   * Takes a refused change back with all that depends on it (DUR-7): the set is made anew without them, and they are
   * handed back in the error's `details.withdrawn`.
   */
  refused(id: ChangeId, cause: WeftError): void {
    const refusedNode = this.#set.dag.find(id)
    if (refusedNode === NO_NODE) {
      this.onEvent({ type: 'refused', workflow: this.workflow, change: id, error: cause })
      return
    }
    const view = this.#set.everything()
    const lost = (change: ChangeId): boolean => {
      const node = this.#set.dag.node(change)
      return node === refusedNode || this.#set.dag.isAncestor(refusedNode, node)
    }
    const withdrawn = [...audit(this.#set, view)].filter(record => lost(record.change))
    const ids = new Set(withdrawn.map(record => record.change))
    const error = new WeftError(
      cause.code,
      `the peer refused change ${id.slice(0, 12)}: ${cause.message}`,
      cause.cure,
      { ...cause.details, refused: id, withdrawn },
      { cause },
    )
    const kept = this.#set.changes().filter(change => !ids.has(change.id))
    this.#set = new ChangeSet(nodeHost.hash)
    this.#intake = new Intake(this.#set)
    for (const change of kept) this.#set.add(change)
    this.session.withdraw(this.workflow, ids)
    for (const each of ids) this.#own.delete(each)
    this.commits.refused(ids, error)
    this.onEvent({ type: 'refused', workflow: this.workflow, change: id, error })
    this.#checkDrained()
  }

  /** The peer will not serve this context any more. What is written stays here, and nobody waits for it in vain. */
  failed(error: WeftError): void {
    this.#failure = error
    this.#synced.reject(error)
    this.#drained?.reject(error)
    this.#drained = undefined
    this.commits.end(error)
  }

  close(): void {
    this.commits.end(
      new WeftError(
        'WEFT_CLOSED',
        'the replica was closed before this change was acknowledged',
        'flush before closing, or write it again on a new replica',
      ),
    )
    this.#listeners.clear()
  }

  #takeIn(bytes: Uint8Array, arrived: ChangeId[]): ChangeId {
    const change = decodeChange(bytes, nodeHost.hash)
    const { applied, refused } = this.#intake.receive(change)
    const bad = refused[0]
    if (bad) throw isWeftError(bad.error) ? bad.error : new Error('a change that had waited does not fit')
    for (const { id } of applied) arrived.push(id)
    return change.id
  }

  #committed(id: ChangeId, position: Position): void {
    this.index.record(position, id)
    this.commits.committed(id, position)
    if (this.#own.delete(id)) this.#checkDrained()
  }

  #checkDrained(): void {
    if (this.#own.size > 0) return
    this.#drained?.resolve()
    this.#drained = undefined
  }

  #tell(changes: readonly ChangeId[]): void {
    for (const listener of this.#listeners) listener(changes)
  }
}
