import { isWeftError, type LogHead, type WeftError, type WorkflowId } from '@weft/core'
import type { Database, KeyIterator, RowIterator, Snapshot } from '../base/database.js'
import { corrupt } from '../base/failures.js'
import type { TenantKeys } from '../base/keys.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import { checkLogEnd, cipherOf, openHead } from './checked.js'
import { skipTo } from './tenant-walk.js'

const ROWS_PER_CALL = 256

/**
 * The contexts of a tenant in order, each with its head or with what is damaged about it. Walks the heads and skips
 * along the logs beside them, so that a log whose head is gone is found too. Good for one walk.
 */
export class HeadWalk {
  readonly #heads: RowIterator
  readonly #logs: KeyIterator
  /** The first record of the first log that is not accounted for. */
  #log: string | undefined

  constructor(
    db: Database,
    private readonly keys: TenantKeys,
    snapshot: Snapshot,
    private readonly ciphers: TenantCiphers,
  ) {
    this.#heads = db.iterator({ ...keys.heads, snapshot })
    this.#logs = db.keys({ ...keys.logs, snapshot })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogHead | WeftError> {
    try {
      this.#log = await this.#logs.next()
      for (;;) {
        const page = await this.#heads.nextv(ROWS_PER_CALL)
        if (page.length === 0) break
        for (const [key, value] of page) {
          const workflow = this.keys.workflowOfHead(key)
          yield* this.#headless(workflow)
          yield await this.#context(workflow, value)
        }
      }
      yield* this.#headless(undefined)
    } finally {
      await Promise.all([this.#heads.close(), this.#logs.close()])
    }
  }

  /** Logs that come before that of `next` have no head. */
  async *#headless(next: WorkflowId | undefined): AsyncGenerator<WeftError> {
    while (this.#log !== undefined) {
      const workflow = this.keys.workflowOfRecord(this.#log)
      if (next !== undefined && workflow >= next) return
      yield corrupt(this.keys.tenant, workflow, undefined, 'there is a log, but the head record is missing')
      await this.#skipLog(workflow)
    }
  }

  async #context(workflow: WorkflowId, value: Uint8Array): Promise<LogHead | WeftError> {
    try {
      const cipher = await cipherOf(this.ciphers, this.keys, workflow)
      const head = openHead(this.keys, cipher, workflow, value)
      const last = this.keys.record(workflow, head.count)
      this.#logs.seek(last)
      const [found, after] = await this.#logs.nextv(2)
      const goesOn = after !== undefined && this.keys.workflowOfRecord(after) === workflow
      const end = found !== last ? head.count - 1 : goesOn ? this.keys.positionOf(after) : head.count
      checkLogEnd(this.keys, workflow, head.count, end)
      this.#log = after
      return head
    } catch (thrown) {
      if (!isWeftError(thrown) || thrown.code !== 'WEFT_STORE_CORRUPT') throw thrown
      await this.#skipLog(workflow)
      return thrown
    }
  }

  async #skipLog(workflow: WorkflowId): Promise<void> {
    this.#log = await skipTo(this.#logs, this.keys.log(workflow).lt)
  }
}
