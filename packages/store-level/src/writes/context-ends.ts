import {
  type ChangeId,
  EMPTY_LOG,
  extendRunningHash,
  type LogEnd,
  type LogHead,
  type LogRecord,
  WeftError,
} from '@weft/core'
import { sha256 } from '../base/hash.js'
import type { StoredHead } from '../records/head-codec.js'
import type { HeadChange } from '../seals/store-seal.js'
import type { Write } from './batching.js'

/** What is to become of the head records, and which writes cannot be. */
export interface HeadPlan {
  readonly changes: ReadonlyMap<string, HeadChange & { readonly stored: StoredHead | undefined }>
  readonly refused: ReadonlyMap<Write, unknown>
}

interface Pending {
  readonly before: StoredHead | undefined
  /** Undefined when it is removed. */
  head: LogHead | undefined
  encode: (head: LogHead) => Uint8Array
}

/** So many contexts that were written to lately are not looked up again. */
const KNOWN_MAX = 8_192

/**
 * Where the logs end, as far as writes need to know. An append is checked against it and extends its running hash; a
 * context that is damaged takes none.
 */
export class ContextEnds {
  readonly #known = new Map<string, StoredHead>()

  /** Looks up what `writes` need. Each is taken or refused by itself, in their order. */
  async plan(writes: readonly Write[]): Promise<HeadPlan> {
    const pending = new Map<string, Pending>()
    const refused = new Map<Write, unknown>()
    for (const write of writes) {
      try {
        await this.#planOne(write, pending)
      } catch (thrown) {
        refused.set(write, thrown)
      }
    }
    const changes = new Map<string, HeadChange & { stored: StoredHead | undefined }>()
    for (const [key, { before, head, encode }] of pending) {
      const stored = head && { value: encode(head), head }
      changes.set(key, { before: before?.value, after: stored?.value, stored })
    }
    return { changes, refused }
  }

  /** The plan is on disk. */
  done({ changes }: HeadPlan): void {
    for (const [key, { stored }] of changes) {
      this.#known.delete(key)
      if (stored) this.#known.set(key, stored)
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break
      this.#known.delete(key)
    }
  }

  async #planOne({ append, removes = [] }: Write, pending: Map<string, Pending>): Promise<void> {
    if (append) {
      const { key, end, records, find, encode } = append
      const before = pending.get(key) ?? (await this.#pendingOf(key, find))
      before.head = continued(before.head, end, records)
      before.encode = encode
      pending.set(key, before)
    }
    for (const { key, find } of removes) {
      const before = pending.get(key) ?? (await this.#pendingOf(key, find))
      before.head = undefined
      pending.set(key, before)
    }
  }

  async #pendingOf(key: string, find: () => Promise<StoredHead | undefined>): Promise<Pending> {
    const before = this.#known.get(key) ?? (await find())
    return { before, head: before?.head, encode: unwritten }
  }
}

/** Only an append leaves a head to write. */
function unwritten(): never {
  throw new WeftError('WEFT_INTERNAL', 'a head would be written that nobody appended to', 'report it')
}

/** The head after an append. @throws WEFT_INTERNAL */
function continued(before: LogHead | undefined, end: LogEnd, records: readonly LogRecord[]): LogHead {
  const from = before?.count ?? 0
  const first = end.count - records.length
  if (first !== from) throw notContinuing(end, `it would begin at ${first + 1}, and the log ends at ${from}`)
  const ids: ChangeId[] = records.map(({ id }) => id)
  const heads = [...end.heads].sort()
  return { ...end, heads, runningHash: extendRunningHash(sha256, before?.runningHash ?? EMPTY_LOG, ids) }
}

export function notContinuing({ workflow }: LogEnd, reason: string): WeftError {
  return new WeftError(
    'WEFT_INTERNAL',
    `an append to ${workflow} is not a continuation of a log: ${reason}`,
    'this is a defect of the caller of the store: nothing was written; report it with this message',
    { workflow },
  )
}
