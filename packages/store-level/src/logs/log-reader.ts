import { type LogHead, type Position, type VerifiedRecord, WeftError, type WorkflowId } from '@weft/core'
import type { Database, RowOptions, Snapshot } from '../base/database.js'
import type { TenantKeys } from '../base/keys.js'
import type { StoredHead } from '../records/head-codec.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { ValueCipher } from '../encryption/value-cipher.js'
import { checkLogEnd, cipherOf, openHead, openRecord, soundRecord } from './checked.js'

/** Few, for all of a page are verified without a pause. */
const ROWS_PER_CALL = 128
const BYTES_PER_CALL = 1_048_576

/** Reads of one context. Head and log come from one snapshot, so that an append between the two is no mismatch. */
export class LogReader {
  constructor(
    private readonly db: Database,
    private readonly keys: TenantKeys,
    private readonly ciphers: TenantCiphers,
  ) {}

  async head(workflow: WorkflowId): Promise<LogHead | undefined> {
    return (await this.end(workflow))?.head
  }

  /** The head as it is stored, too. */
  end(workflow: WorkflowId): Promise<(StoredHead & { readonly head: LogHead }) | undefined> {
    return this.#withSnapshot(async snapshot => {
      const [value, [last]] = await Promise.all([
        this.db.get(this.keys.head(workflow), { snapshot }),
        this.db.keys({ ...this.keys.log(workflow), reverse: true, limit: 1, snapshot }).all(),
      ])
      const head = value && openHead(this.keys, await this.#cipher(workflow), workflow, value)
      const end = last === undefined ? 0 : this.keys.positionOf(last)
      checkLogEnd(this.keys, workflow, head?.count ?? 0, end)
      return value && head && { value, head }
    })
  }

  read(workflow: WorkflowId, from: Position, bytes_max: number): Promise<VerifiedRecord[]> {
    if (!Number.isSafeInteger(from) || from < 1) throw badPosition(workflow, from)
    return this.#withSnapshot(async snapshot => {
      const count = (await this.#head(workflow, snapshot))?.count ?? 0
      const records: VerifiedRecord[] = []
      let bytes = 0
      const rows = {
        gte: this.keys.record(workflow, from),
        lt: this.keys.log(workflow).lt,
        // So a page holds little that is not asked for.
        highWaterMarkBytes: Math.min(bytes_max, BYTES_PER_CALL),
      }
      for await (const page of this.#pages({ ...rows, snapshot })) {
        const cipher = await this.#cipher(workflow)
        for (const [key, value] of page) {
          const record = openRecord(this.keys, cipher, workflow, from + records.length, count, key, value)
          bytes += record.bytes.length
          if (records.length > 0 && bytes > bytes_max) return records
          records.push(record)
        }
      }
      const next = from + records.length
      if (next <= count) checkLogEnd(this.keys, workflow, count, next - 1)
      return records
    })
  }

  findLast(
    workflow: WorkflowId,
    isIt: (record: VerifiedRecord) => boolean,
  ): Promise<VerifiedRecord | undefined> {
    return this.#withSnapshot(async snapshot => {
      const range = { ...this.keys.log(workflow), highWaterMarkBytes: BYTES_PER_CALL }
      for await (const page of this.#pages({ ...range, reverse: true, snapshot })) {
        const cipher = await this.#cipher(workflow)
        for (const [key, value] of page) {
          const record = soundRecord(this.keys, cipher, workflow, key, value)
          if (record && isIt(record)) return record
        }
      }
      return undefined
    })
  }

  async #head(workflow: WorkflowId, snapshot: Snapshot): Promise<LogHead | undefined> {
    const value = await this.db.get(this.keys.head(workflow), { snapshot })
    return value && openHead(this.keys, await this.#cipher(workflow), workflow, value)
  }

  /** Asked for only where something is: a tenant that has nothing needs no key to be told so. */
  #cipher(workflow: WorkflowId): Promise<ValueCipher> {
    return cipherOf(this.ciphers, this.keys, workflow)
  }

  async *#pages(options: RowOptions) {
    const iterator = this.db.iterator(options)
    try {
      for (;;) {
        const page = await iterator.nextv(ROWS_PER_CALL)
        // Only an empty page is the end.
        if (page.length === 0) return
        yield page
      }
    } finally {
      await iterator.close()
    }
  }

  async #withSnapshot<T>(use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const snapshot = this.db.snapshot()
    try {
      return await use(snapshot)
    } finally {
      await snapshot.close()
    }
  }
}

function badPosition(workflow: WorkflowId, from: unknown): WeftError {
  return new WeftError(
    'WEFT_INTERNAL',
    `a read of ${workflow} would begin at position ${from}, where the first is 1`,
    'this is a defect of the caller of the store: report it with this message',
    { workflow },
  )
}
