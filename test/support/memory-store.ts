import {
  checkId,
  compareText,
  decodeChange,
  EMPTY_LOG,
  extendRunningHash,
  isChangeId,
  isEngineWorkflow,
  isWeftError,
  type LogAppend,
  type LogHead,
  type LogRecord,
  type Position,
  type Store,
  type TenantId,
  type TenantStore,
  type TenantUsage,
  type VerifiedRecord,
  WeftError,
  type WorkflowId,
} from '@weft/core'
import { host } from './host.ts'

export interface StoredContext {
  head: LogHead
  readonly records: (LogRecord | undefined)[]
}

/** What outlives a handle: tenants, their workflows, their logs. Tests may damage it by hand. */
export class MemoryDisk {
  readonly tenants = new Map<TenantId, Map<WorkflowId, StoredContext>>()
}

/** The Store port in memory: the reference that the real ones are compared with, and a fast one for other tests. */
export class MemoryStore implements Store {
  readonly unfinishedDrops: readonly TenantId[] = []
  #closed = false

  constructor(readonly disk = new MemoryDisk()) {}

  tenant(id: TenantId): TenantStore {
    return new MemoryTenantStore(checkId('tenant', id), this.disk, () => this.#check())
  }

  async *tenants(): AsyncIterable<TenantId> {
    this.#check()
    for (const id of [...this.disk.tenants.keys()].sort(compareText)) {
      this.#check()
      yield id
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #check(): void {
    if (this.#closed) throw new WeftError('WEFT_STORE_CLOSED', 'the store is closed', 'open it again')
  }
}

class MemoryTenantStore implements TenantStore {
  constructor(
    readonly tenant: TenantId,
    private readonly disk: MemoryDisk,
    private readonly check: () => void,
  ) {}

  async head(workflow: WorkflowId): Promise<LogHead | undefined> {
    const context = this.#context(workflow)
    return context && this.#soundHead(context)
  }

  async *heads(): AsyncIterable<LogHead> {
    this.check()
    const damaged: WeftError[] = []
    for (const [, context] of [...this.#contexts].sort(([a], [b]) => compareText(a, b))) {
      this.check()
      try {
        yield this.#soundHead(context)
      } catch (thrown) {
        if (!isWeftError(thrown)) throw thrown
        damaged.push(thrown)
      }
    }
    if (damaged.length > 0) throw this.#corruptContexts(damaged)
  }

  async read(workflow: WorkflowId, from: Position, bytes_max: number): Promise<VerifiedRecord[]> {
    if (!Number.isSafeInteger(from) || from < 1) throw misuse(`a read cannot begin at ${from}`)
    const context = this.#context(workflow)
    if (context === undefined) return []
    this.#soundHead(context)
    const records: VerifiedRecord[] = []
    let bytes = 0
    for (const stored of context.records.slice(from - 1)) {
      bytes += stored?.bytes.length ?? 0
      if (records.length > 0 && bytes > bytes_max) break
      records.push(this.#soundRecord(workflow, from + records.length, stored))
    }
    return records
  }

  async findLast(
    workflow: WorkflowId,
    isIt: (record: VerifiedRecord) => boolean,
  ): Promise<VerifiedRecord | undefined> {
    const { records } = this.#context(workflow) ?? { records: [] }
    for (let position = records.length; position > 0; position--) {
      const stored = records[position - 1]
      if (!this.#isSound(workflow, position, stored)) continue
      const record = this.#soundRecord(workflow, position, stored)
      if (isIt(record)) return record
    }
    return undefined
  }

  async append({ records, head, rewritten = [] }: LogAppend): Promise<void> {
    const context = this.#context(head.workflow) ?? {
      head: { ...head, count: 0, runningHash: EMPTY_LOG },
      records: [],
    }
    if (context.head.count > 0) this.#soundHead(context)
    else if (context.records.length > 0) throw this.#corrupt(head.workflow, 1)
    const first = head.count - records.length + 1
    const sound =
      records.length > 0 &&
      first === context.head.count + 1 &&
      head.heads.length > 0 &&
      head.heads.every(isChangeId) &&
      records.every(({ position, id }, index) => position === first + index && isChangeId(id))
    if (!sound) throw misuse(`an append to ${head.workflow} is not a continuation of a log`)
    for (const { position, id, bytes } of [...records, ...rewritten]) {
      context.records[position - 1] = { position, id, bytes: Uint8Array.from(bytes) }
    }
    const ids = records.map(({ id }) => id)
    const runningHash = extendRunningHash(host.hash, context.head.runningHash, ids)
    context.head = { ...head, heads: [...head.heads].sort(), runningHash }
    const contexts = this.#contexts
    contexts.set(head.workflow, context)
    this.disk.tenants.set(this.tenant, contexts)
  }

  async remove(workflow: WorkflowId): Promise<{ changes: number; bytes: number }> {
    const { records = [] } = this.#context(workflow) ?? {}
    const contexts = this.#contexts
    contexts.delete(workflow)
    if (contexts.size === 0) this.disk.tenants.delete(this.tenant)
    return { changes: records.length, bytes: bytesOf(records) }
  }

  async usage(): Promise<TenantUsage> {
    this.check()
    const contexts = [...this.#contexts]
    return {
      bytes: contexts.reduce((sum, [, { records }]) => sum + bytesOf(records), 0),
      contexts: contexts.filter(([workflow]) => !isEngineWorkflow(workflow)).length,
    }
  }

  async drop(leave?: () => LogAppend): Promise<{ workflows: number; changes: number }> {
    this.check()
    const contexts = this.#contexts
    this.disk.tenants.delete(this.tenant)
    if (leave) await this.append(leave())
    let changes = 0
    for (const { records } of contexts.values()) changes += records.length
    return { workflows: contexts.size, changes }
  }

  get #contexts(): Map<WorkflowId, StoredContext> {
    return this.disk.tenants.get(this.tenant) ?? new Map()
  }

  #context(workflow: WorkflowId): StoredContext | undefined {
    this.check()
    checkId('workflow', workflow.startsWith('@') ? workflow.slice(1) : workflow)
    return this.#contexts.get(workflow)
  }

  #soundHead({ head, records }: StoredContext): LogHead {
    if (records.length !== head.count || !Object.hasOwn(records, head.count - 1)) {
      throw this.#corrupt(head.workflow, head.count)
    }
    return head
  }

  #isSound(workflow: WorkflowId, position: Position, stored: LogRecord | undefined): boolean {
    try {
      this.#soundRecord(workflow, position, stored)
      return true
    } catch {
      return false
    }
  }

  #soundRecord(workflow: WorkflowId, position: Position, stored: LogRecord | undefined): VerifiedRecord {
    try {
      const bytes = Uint8Array.from(stored?.bytes ?? [])
      const change = decodeChange(bytes, host.hash)
      const { id } = change
      if (stored?.id === id && stored.position === position) return { position, id, bytes, change }
    } catch (thrown) {
      throw this.#corrupt(workflow, position, thrown)
    }
    throw this.#corrupt(workflow, position)
  }

  #corruptContexts(damaged: readonly WeftError[]): WeftError {
    return new WeftError(
      'WEFT_STORE_CORRUPT',
      `${damaged.length} of the contexts of tenant ${this.tenant} are damaged`,
      'make the store anew',
      { tenant: this.tenant, workflows: damaged.map(({ details }) => details.workflow) },
    )
  }

  #corrupt(workflow: WorkflowId, position: Position, cause?: unknown): WeftError {
    return new WeftError(
      'WEFT_STORE_CORRUPT',
      `the log of workflow ${workflow} of tenant ${this.tenant} is damaged at position ${position}`,
      'make the store anew',
      { tenant: this.tenant, workflow, position },
      { cause },
    )
  }
}

function bytesOf(records: readonly (LogRecord | undefined)[]): number {
  return records.reduce((sum, record) => sum + (record?.bytes.length ?? 0), 0)
}

function misuse(reason: string): WeftError {
  return new WeftError('WEFT_INTERNAL', reason, 'this is a defect of the caller of the store')
}
