import {
  Admission,
  type BranchName,
  type Change,
  type ChangeGate,
  type ChangeId,
  decodeChange,
  ERASURES_BRANCH,
  type LogAppend,
  type LogRecord,
  NO_NODE,
  type OwnMark,
  type Position,
  type Preconditions,
  sealJoin,
  sealMark,
  type TenantStore,
  toKept,
  type VerifiedRecord,
  type WeftError,
  wholeLog,
} from '@weft/core'
import { HeadIds } from '../base/head-ids.js'
import { isDamage, isKeyless } from '../base/log-errors.js'
import { type Page, sizeOf } from '../base/page-cache.js'
import type { Subscriber } from '../base/subscriber.js'
import { costOf, SLICE_COST } from '../turns/turns.js'
import { type Offered, TrialQueue } from '../trials/trial-queue.js'
import { AdmittedQueue, type Admitted, newRecords } from './admitted-queue.js'
import { contentMissing, erases, rewrittenBy } from './erasing.js'
import type { ContextHooks, ContextLogHost } from './log-host.js'
import { LogPages } from './log-pages.js'
import { LogTail } from './log-tail.js'
import { authorOf, NOBODY, reached, submitOwn } from './own-changes.js'

/** What is read of a log from disk at once. */
const PAGE_BYTES = 262_144
/** Of the room for pages of all logs, what the first ones of a log may take when it is opened. */
const FIRST_SHARE = 4
const RECORDS_A_TURN = 16

/**
 * The committed log of one open context: what changes are admitted by, and the last records, to feed those who follow.
 * The n-th node of its graph is the change at position n + 1: nothing else is indexed.
 *
 * While a write to the store is under way admitted changes gather; the next one takes what is not too much for it.
 */
export class ContextLog {
  readonly #admission: Admission
  readonly #trials: TrialQueue
  readonly #subscribers = new Set<Subscriber>()
  readonly #admitted: AdmittedQueue
  #committed: Position = 0
  #writing: Promise<void> | undefined
  #damage: WeftError | undefined
  readonly #tail = new LogTail()
  readonly #pages: LogPages
  readonly #headIds: HeadIds
  #heads: readonly ChangeId[] = []

  private constructor(
    private readonly store: TenantStore,
    readonly workflow: string,
    private readonly gate: ChangeGate,
    private readonly host: ContextLogHost,
    private readonly hooks: ContextHooks,
  ) {
    this.#admission = new Admission(host.hash)
    this.#pages = new LogPages(host.pages, from => store.read(workflow, from, PAGE_BYTES))
    this.#headIds = new HeadIds(this.#admission.dag)
    this.#admitted = new AdmittedQueue(host.shares.of(store.tenant), () => this.#headIds.list())
    this.#trials = new TrialQueue(host.trial, {
      tenant: store.tenant,
      hash: host.hash,
      holds: id => this.#admission.dag.find(id) !== NO_NODE,
      follows: origin => this.#subscribers.has(origin),
      check: ({ change, preconditions }) => {
        gate.check(change)
        this.#admission.check(change, host.clock.steady(), preconditions)
      },
      admit: offered => this.#admitTried(offered),
      settled: () => this.settled(),
      read: (from, bytes_max) => this.read(from, bytes_max),
      turn: () => host.turn(store.tenant, SLICE_COST),
    })
  }

  /** Reads the whole log once, for its graph. @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED */
  static async open(
    store: TenantStore,
    workflow: string,
    gate: ChangeGate,
    host: ContextLogHost,
    hooks: ContextHooks,
  ): Promise<ContextLog> {
    const log = new ContextLog(store, workflow, gate, host, hooks)
    const bare = new Map<ChangeId, Position>()
    const first: Page[] = []
    let room = host.pages.bytes_max / FIRST_SHARE
    for await (const records of wholeLog(store, workflow, host.hash, PAGE_BYTES)) {
      if (room > 0) first.push(records.map(toKept))
      room -= sizeOf(records)
      for (let at = 0; at < records.length; at += RECORDS_A_TURN) {
        const some = records.slice(at, at + RECORDS_A_TURN)
        await host.turn(store.tenant, costOf(some))
        log.#restore(some, bare)
      }
    }
    log.#heads = log.#headIds.list()
    for (const [id, position] of bare) {
      if (!log.#admission.erasures.has(id)) throw contentMissing(workflow, position, id)
    }
    for (const page of first) log.#pages.keep(page)
    return log
  }

  /** Why nothing is read from it or written to it any more: it is damaged, or ended; undefined while all is well. */
  get damage(): WeftError | undefined {
    return this.#damage
  }

  /** How many changes it has, those that are not on disk yet among them. */
  get size(): number {
    return this.#admission.dag.size
  }

  get count(): Position {
    return this.#committed
  }

  /** Of all that is on disk. */
  get heads(): readonly ChangeId[] {
    return this.#heads
  }

  /** Somebody holds a lease: the log must stay open, for nothing on disk says how long it runs. */
  get leased(): boolean {
    return this.#admission.leases.lastUntil_ms > this.host.clock.steady()
  }

  /** Changes that were taken and are not on disk yet. */
  get unwritten(): number {
    return this.#trials.waiting + this.#admission.dag.size - this.#committed
  }

  /** The change at a position that is written; empty at 0. */
  idAt(position: Position): ChangeId | '' {
    return position === 0 ? '' : this.#admission.dag.id(position - 1)
  }

  /** Where a change stands that is written, or undefined. */
  positionOf(id: ChangeId): Position | undefined {
    const position = this.#admission.dag.find(id) + 1
    return position > 0 && position <= this.#committed ? position : undefined
  }

  /** Whether a change that was offered is here, or may yet be: what is tried is in no log before it was. */
  mayHold(id: ChangeId | ''): boolean {
    return this.#trials.running !== undefined || this.#admission.dag.find(id) !== NO_NODE
  }

  /** Whether the log holds `last` at `position`. */
  holds(position: Position, last: ChangeId | ''): boolean {
    return position <= this.#committed && this.idAt(position) === last
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber)
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber)
  }

  isFollowedBy(subscriber: Subscriber): boolean {
    return this.#subscribers.has(subscriber)
  }

  /** @param preconditions what must hold for a single change to be taken; decided now, in the order of the log */
  submit(changes: readonly Change[], origin: Subscriber, preconditions?: Preconditions): void {
    if (this.#damage) {
      origin.failed(this.#damage)
      return
    }
    if (this.#trials.running !== undefined || changes.some(({ state }) => state !== null)) {
      this.#trials.add(changes.map(change => ({ change, origin, preconditions })))
      return
    }
    for (const change of changes) this.#admit(change, origin, preconditions)
    this.#startWriting()
  }

  /** Records from `from` on, as `TenantStore.read`; those of late from memory. Damage quarantines the log. */
  async read(from: Position, bytes_max: number): Promise<readonly LogRecord[]> {
    if (this.#damage) throw this.#damage
    const inMemory = this.inMemory(from, bytes_max)
    if (inMemory) return inMemory
    try {
      return await this.#pages.read(from, bytes_max)
    } catch (error) {
      if (isDamage(error)) this.#quarantine(error)
      throw error
    }
  }

  /** As `read`, when memory holds the record at `from`. */
  inMemory(from: Position, bytes_max: number): readonly LogRecord[] | undefined {
    return this.#tail.read(from, bytes_max) ?? this.#pages.inMemory(from, bytes_max)
  }

  /** Nothing more is read from it or written to it; a write that is under way goes on. */
  end(reason: WeftError): void {
    if (this.#damage) return
    this.#damage = reason
    this.#admitted.clear()
    this.close()
    for (const subscriber of [...this.#subscribers]) subscriber.failed(reason)
  }

  /** Resolves when everything taken so far is on disk, or the store has failed. */
  async flush(): Promise<void> {
    while (this.#trials.running || this.#writing) await (this.#trials.running ?? this.#writing)
  }

  /** Nobody uses it any more: nothing is kept of it elsewhere. */
  close(): void {
    this.#trials.clear()
    this.#pages.clear()
  }

  /** Resolves when everything admitted so far is on disk, or the store has failed. */
  async settled(): Promise<void> {
    const admitted = this.#admission.dag.size
    if (this.#committed < admitted) await reached(this, admitted, this.#written())
  }

  async #written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** A holder says that it is alive; how long its lease runs from now. @throws WEFT_LEASE_LOST */
  renew(on: string, epoch: number): number {
    return this.#admission.leases.renew(on, epoch, this.host.clock.steady()).ttl_ms
  }

  /** Up to where a subscription is acknowledged. */
  acknowledged(subscription: string): Position {
    const idAt = (position: Position) => (position <= this.#committed ? this.idAt(position) : '')
    return this.#admission.wakes.acknowledged(subscription, position => idAt(position) || undefined)
  }

  /** Resolves when it is on disk how far a subscription is; rejects with why it may not be taken. */
  acknowledge(mark: OwnMark): Promise<void> {
    return submitOwn(this, sealMark(this.#admission, mark, authorOf(this.host)))
  }

  /** @param bare is told which changes lack a part */
  #restore(records: readonly VerifiedRecord[], bare: Map<ChangeId, Position>): void {
    for (const { position, id, change } of records) {
      if (!change.complete) bare.set(id, position)
      this.#admission.restore(change, this.host.started_ms)
      if (change.state !== null || change.standIn !== null) this.#trials.noteState(position)
      this.#committed = position
    }
  }

  #admit(change: Change, origin: Subscriber, preconditions: Preconditions | undefined): void {
    const { id, bytes } = change
    const known = this.#admission.dag.find(id)
    if (known !== NO_NODE) {
      const position = known + 1
      const record = { position, id, bytes }
      if (position <= this.#committed) origin.duplicate(record)
      else this.#admitted.put({ record, origin })
      return
    }
    try {
      this.gate.check(change)
      this.#admission.admit(change, this.host.clock.steady(), preconditions)
    } catch (error) {
      origin.refused(id, error)
      return
    }
    this.#number(change, origin)
    if (change.standIn !== null) this.#trials.noteStandIn(this.#admission.dag.size, change)
    this.#joinHeads(change.header.branch)
  }

  #joinHeads(branch: BranchName): void {
    const { length } = this.#admission.branches.heads(branch)
    // What erases depends on its like alone, and only an admin can write it.
    if (length <= this.host.branch_heads_max || branch === ERASURES_BRANCH) return
    const join = sealJoin(this.#admission, branch, authorOf(this.host))
    this.#admission.admit(join, this.host.clock.steady())
    this.#number(join, NOBODY)
  }

  /** Gives a change that was just admitted its position. */
  #number(change: Change, origin: Subscriber): void {
    const position = this.#admission.dag.size
    this.gate.admitted(change, position)
    const record = { position, id: change.id, bytes: change.bytes }
    this.#admitted.put({ record, origin, ...(erases(change) && { erasing: change }) })
  }

  #admitTried({ change, origin, preconditions }: Offered): Position | undefined {
    if (this.#damage) return undefined
    const { size } = this.#admission.dag
    this.#admit(change, origin, preconditions)
    this.#startWriting()
    return this.#admission.dag.size > size ? size + 1 : undefined
  }

  #startWriting(): void {
    if (!this.#admitted.isEmpty) this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    // A turn of the microtask queue: what else came in the same frame joins the first write.
    await undefined
    try {
      while (!this.#admitted.isEmpty) {
        const { batch, heads } = this.#admitted.take()
        const records = newRecords(batch, this.#committed).map(record => this.#kept(record))
        const count = records.at(-1)?.position ?? this.#committed
        const append = { records, head: { workflow: this.workflow, count, heads } }
        const rewritten = await this.hooks.writing(records.length, () => this.#append(append, batch))
        this.#committed = count
        this.#heads = heads
        this.#admitted.written()
        this.#tail.add(records)
        this.#tail.replace(rewritten)
        if (rewritten.length > 0) this.#pages.clear()
        if (rewritten.length > 0 || records.some(({ id }) => this.#admission.erasures.has(id)))
          this.#trials.reset()
        this.#tell(batch, count)
        this.hooks.advanced(this.store.tenant, this.workflow)
      }
    } catch (error) {
      if (isDamage(error) || isKeyless(error)) this.#quarantine(error)
      else this.hooks.failed(error)
    } finally {
      this.#writing = undefined
    }
  }

  /** @returns what is rewritten with them: changes whose content they erase */
  async #append(append: LogAppend, batch: readonly Admitted[]): Promise<LogRecord[]> {
    const rewritten = await this.#rewritten(batch)
    if (append.records.length > 0) {
      await this.store.append({ ...append, ...(rewritten.length > 0 && { rewritten }) })
    }
    return rewritten
  }

  /** What was erased before it came, or with the same batch, is written without its content. */
  #kept(record: LogRecord): LogRecord {
    const { erasures } = this.#admission
    if (!erasures.has(record.id)) return record
    return { ...record, bytes: erasures.kept(decodeChange(record.bytes, this.host.hash)).bytes }
  }

  async #rewritten(batch: readonly Admitted[]): Promise<LogRecord[]> {
    const erasing = batch.flatMap(admitted => admitted.erasing ?? [])
    if (erasing.length === 0) return []
    const read = (position: Position) => this.store.read(this.workflow, position, 1)
    return rewrittenBy(erasing, this.#admission, this.#committed, read)
  }

  #quarantine(error: WeftError): void {
    if (this.#damage) return
    this.hooks.damaged(this.store.tenant, this.workflow, error)
    this.end(error)
  }

  #tell(batch: readonly Admitted[], count: Position): void {
    const own = new Map<Subscriber, LogRecord[]>()
    for (const { record, origin } of batch) {
      const records = own.get(origin)
      if (records) records.push(record)
      else own.set(origin, [record])
    }
    for (const subscriber of this.#subscribers) subscriber.committed(count, own.get(subscriber) ?? [])
  }
}
