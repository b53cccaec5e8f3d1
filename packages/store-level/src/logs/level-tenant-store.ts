import {
  checkId,
  isEngineWorkflow,
  isWeftError,
  type LogAppend,
  type LogHead,
  type LogRecord,
  type Position,
  type TenantId,
  type TenantStore,
  type TenantUsage,
  type VerifiedRecord,
  type WeftError,
  type WorkflowId,
} from '@weft/core'
import type { Database } from '../base/database.js'
import { closed, corruptContexts, readFailed } from '../base/failures.js'
import type { Gate } from '../base/gate.js'
import type { TenantKeys } from '../base/keys.js'
import { encodeHead, SEAL_BYTES } from '../records/head-codec.js'
import { encodeRecord } from '../records/record-codec.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { ValueCipher } from '../encryption/value-cipher.js'
import { checkAppend } from '../writes/append-check.js'
import type { Write } from '../writes/batching.js'
import type { GroupWriter } from '../writes/group-writer.js'
import { type Put, type Scrubber, scrubbing } from '../writes/scrub.js'
import { type Dropped, dropTenant } from './drop.js'
import { HeadWalk } from './head-walk.js'
import { LogReader } from './log-reader.js'
import { removeContext } from './remove.js'

/** What the handles of one store share. */
export interface Shared {
  readonly db: Database
  readonly gate: Gate
  readonly writer: GroupWriter
  readonly scrubber: Scrubber
  readonly ciphers: TenantCiphers
  /** Tenants whose keys are being removed: until that is done, nothing of theirs is read or written. */
  readonly drops: Map<TenantId, 'running' | 'cut short'>
  /** Head keys of contexts that are being removed: likewise. */
  readonly removals: Set<string>
}

export class LevelTenantStore implements TenantStore {
  readonly tenant: TenantId
  readonly #reader: LogReader

  constructor(
    private readonly shared: Shared,
    private readonly keys: TenantKeys,
  ) {
    this.tenant = keys.tenant
    this.#reader = new LogReader(shared.db, keys, shared.ciphers)
  }

  head(workflow: WorkflowId): Promise<LogHead | undefined> {
    return this.#reading(() => this.#reader.head(this.#checked(workflow)))
  }

  read(workflow: WorkflowId, from: Position, bytes_max: number): Promise<VerifiedRecord[]> {
    return this.#reading(() => this.#reader.read(this.#checked(workflow), from, bytes_max))
  }

  findLast(
    workflow: WorkflowId,
    isIt: (record: VerifiedRecord) => boolean,
  ): Promise<VerifiedRecord | undefined> {
    return this.#reading(() => this.#reader.findLast(this.#checked(workflow), isIt))
  }

  /** Yields every sound context before it reports damaged ones: one quarantined context must not hide the others. */
  async *heads(): AsyncIterable<LogHead> {
    this.#check()
    const end = this.shared.scrubber.readers.begin()
    const snapshot = this.shared.db.snapshot()
    const damaged: WeftError[] = []
    try {
      for await (const found of new HeadWalk(this.shared.db, this.keys, snapshot, this.shared.ciphers)) {
        this.#check()
        if (isWeftError(found)) damaged.push(found)
        else yield found
      }
    } catch (thrown) {
      throw this.#translated(thrown)
    } finally {
      await snapshot.close()
      end()
    }
    if (damaged.length > 0) throw corruptContexts(this.tenant, damaged)
  }

  async append(append: LogAppend): Promise<void> {
    this.#check()
    const { records, head, rewritten = [] } = append
    this.#checked(head.workflow)
    checkAppend(append)
    // A copy: it is encoded when its batch is written, and the caller may be at its next head by then.
    const copy = {
      records: [...records],
      head: { ...head, heads: [...head.heads] },
      rewritten: [...rewritten],
    }
    const { writer, ciphers, scrubber } = this.shared
    await writer.write(ciphers.with(this.tenant, cipher => this.#writeOf(copy, cipher)))
    if (rewritten.length > 0) scrubber.begin()
  }

  #writeOf({ records, head: end, rewritten = [] }: LogAppend, cipher: ValueCipher): Write {
    const { workflow } = end
    const headKey = this.keys.head(workflow)
    const encoded = ({ position, id, bytes }: LogRecord): Put => {
      const key = this.keys.record(workflow, position)
      return { key, value: cipher.seal(key, encodeRecord(key, id, bytes)) }
    }
    return {
      tenant: this.tenant,
      stored: records.reduce((sum, { bytes }) => sum + bytes.length, 0),
      operations: [...records.map(encoded), ...scrubbing(rewritten.map(encoded))],
      append: {
        key: headKey,
        ...{ end, records },
        encode: head => cipher.seal(headKey, encodeHead(headKey, head), SEAL_BYTES),
        find: () => this.#reader.end(workflow).catch(thrown => Promise.reject(this.#translated(thrown))),
      },
    }
  }

  usage(): Promise<TenantUsage> {
    return this.#guarded(async () => {
      const { db, writer } = this.shared
      const [bytes, heads] = await Promise.all([writer.usage.of(this.tenant), db.keys(this.keys.heads).all()])
      return { bytes, contexts: heads.filter(key => !isEngineWorkflow(this.keys.workflowOfHead(key))).length }
    })
  }

  remove(workflow: WorkflowId): Promise<{ changes: number; bytes: number }> {
    return this.#guarded(() => {
      const { removals, db, writer, ciphers } = this.shared
      const key = this.keys.head(this.#checked(workflow))
      removals.add(key)
      return removeContext(db, writer, this.keys, workflow, ciphers).finally(() => removals.delete(key))
    })
  }

  drop(leave?: () => LogAppend): Promise<Dropped> {
    const { drops, db, writer, ciphers } = this.shared
    if (drops.get(this.tenant) === 'cut short') drops.delete(this.tenant)
    return this.#guarded(() => {
      const leaving = leave && ((cipher: ValueCipher) => this.#writeOf(checked(leave()), cipher))
      const drop = dropTenant(db, writer, this.keys, ciphers, leaving)
      drops.set(this.tenant, 'running')
      return drop.then(
        dropped => {
          drops.delete(this.tenant)
          return dropped
        },
        thrown => {
          // What is left of the tenant is not served before it is removed.
          drops.set(this.tenant, 'cut short')
          throw thrown
        },
      )
    })
  }

  /** What a read meets of a tenant that is dropped under it, or of a store that is closed, is no damage. */
  #reading<T>(read: () => Promise<T>): Promise<T> {
    return this.#guarded(() =>
      this.shared.scrubber.readers.during(read).catch(thrown => {
        this.#check()
        throw thrown
      }),
    )
  }

  async #guarded<T>(use: () => Promise<T>): Promise<T> {
    this.#check()
    try {
      return await use()
    } catch (thrown) {
      throw this.#translated(thrown)
    }
  }

  #check(): void {
    this.shared.gate.check()
    const drop = this.shared.drops.get(this.tenant)
    if (drop === undefined) return
    throw closed(
      `tenant ${this.tenant} is being dropped`,
      drop === 'running'
        ? 'wait until its drop() has resolved'
        : 'a peer on the store finishes that as soon as it can; or drop the tenant again',
    )
  }

  #checked(workflow: WorkflowId): WorkflowId {
    if (!this.shared.removals.has(this.keys.head(checkStored(workflow)))) return workflow
    throw closed(`workflow ${workflow} is being removed`, 'wait until its remove() has resolved')
  }

  /** LevelDB rejects what is under way when it closes; the reason is then the closing. */
  #translated(thrown: unknown): WeftError {
    if (isWeftError(thrown)) return thrown
    const { refusal, directory } = this.shared.gate
    return refusal ?? readFailed(directory, thrown)
  }
}

/** @throws WEFT_INTERNAL · WEFT_ID_INVALID */
function checked(append: LogAppend): LogAppend {
  checkStored(append.head.workflow)
  checkAppend(append)
  return append
}

/** The engine's own workflows begin with "@"; nothing else may stray from the alphabet that keys are built on (TEN-3). */
function checkStored(workflow: WorkflowId): WorkflowId {
  checkId('workflow', workflow.startsWith('@') ? workflow.slice(1) : workflow)
  return workflow
}
