import type { ChangeId, Position, TenantId, WorkflowId } from '../base/ids.js'
import type { Change } from './change.js'

/** A change as it lies in a committed log. The store owns `bytes` it returns; callers must not write into them. */
export interface LogRecord {
  readonly position: Position
  readonly id: ChangeId
  readonly bytes: Uint8Array
}

/**
 * A record as a store reads it. `change` is what its bytes were verified as, so that nobody has to decode them again; it
 * takes about as much memory as they do, so whoever keeps records keeps them without (`toKept`).
 */
export interface VerifiedRecord extends LogRecord {
  readonly change: Change
}

/** A record as it is kept, or goes to another process. */
export interface KeptRecord extends LogRecord {
  readonly change?: never
}

export function toKept({ position, id, bytes }: LogRecord): KeptRecord {
  return { position, id, bytes }
}

/** Where a log ends, as whoever writes it knows. */
export interface LogEnd {
  readonly workflow: WorkflowId
  readonly count: Position
  readonly heads: readonly ChangeId[]
}

/** What is known of a context without reading its log: what its store has sealed. Heads are ascending. */
export interface LogHead extends LogEnd {
  /** Of all changes in their order (running-hash.ts): what is read to its end must come to this. */
  readonly runningHash: string
}

/** One context's share of a commit. `records` go on where the log ends; `head` is its end after them. */
export interface LogAppend {
  readonly records: readonly LogRecord[]
  readonly head: LogEnd
  /**
   * Records that the log holds already, as they are from now on: the same ids, without what `records` erase (ERA-1).
   * Written in one batch with those; what they held then leaves the disk, if need be at the next opening.
   */
  readonly rewritten?: readonly LogRecord[]
}

/** What a tenant has on disk. */
export interface TenantUsage {
  /** Of all changes in its logs. What was written before stores counted is taken as what it takes on disk, about. */
  readonly bytes: number
  /** Without the engine's own. */
  readonly contexts: number
}

/** The committed logs of one tenant. No function here takes a tenant id (TEN-2). */
export interface TenantStore {
  readonly tenant: TenantId
  /** Undefined when the context was never written. @throws WEFT_STORE_CORRUPT */
  head(workflow: WorkflowId): Promise<LogHead | undefined>
  /** Heads of all sound contexts, by workflow id; only then @throws WEFT_STORE_CORRUPT, `workflows` being the others. */
  heads(): AsyncIterable<LogHead>
  /**
   * Records from `from` on (1 is the first), at least one if there is one, then until `bytes_max` is reached.
   * Every record is verified against its id. @throws WEFT_STORE_CORRUPT, also for a gap.
   */
  read(workflow: WorkflowId, from: Position, bytes_max: number): Promise<VerifiedRecord[]>
  /**
   * The last record that is what is looked for, of all that are sound by themselves: also of a log whose head, or whose
   * other records, are damaged. What `isIt` throws, this does.
   */
  findLast(
    workflow: WorkflowId,
    isIt: (record: VerifiedRecord) => boolean,
  ): Promise<VerifiedRecord | undefined>
  /**
   * Resolves when the records and the head are on disk, fsynced, together. Appends that arrive while a write
   * is in flight share the next one. The store extends the running hash. After WEFT_STORE_FAILED the outcome is unknown:
   * reopen and look (DUR-3).
   * @throws WEFT_STORE_FAILED · WEFT_STORE_CORRUPT (the context is damaged) · WEFT_STORE_KEY (the store is encrypted, and
   *   the tenant's key cannot be had) · WEFT_INTERNAL (the append does not go on where the log ends); of the last three
   *   nothing was written
   */
  append(append: LogAppend): Promise<void>
  /**
   * Removes a context whole, and says how many changes it had, and their bytes; all of it or nothing, whatever happens
   * meanwhile. Nobody may have it open: who holds its log in memory would go on writing after what is gone.
   */
  remove(workflow: WorkflowId): Promise<{ changes: number; bytes: number }>
  /** What the tenant stores, known without reading its logs. */
  usage(): Promise<TenantUsage>
  /**
   * Removes everything of this tenant and says what it was.
   * @param leave what is to be there instead, a log from its first position on: asked for when all else is gone, and on
   *   disk before anything of the tenant is served again
   */
  drop(leave?: () => LogAppend): Promise<{ workflows: number; changes: number }>
}

export interface Store {
  tenant(id: TenantId): TenantStore
  /** Ids of the tenants that have any context, in order. */
  tenants(): AsyncIterable<TenantId>
  /**
   * Tenants of whom everything is removed, but for a drop that was cut short before it had left what it was to leave:
   * nothing of theirs is read or written until it is asked for again.
   */
  readonly unfinishedDrops: readonly TenantId[]
  /** Waits for appends in flight. */
  close(): Promise<void>
}
