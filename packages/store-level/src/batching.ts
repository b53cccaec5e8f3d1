import type { LogEnd, LogHead, LogRecord } from '@weft/core'
import type { StoredHead } from './context-ends.js'

/** A head record that is written or removed: looked up, if it is not known, when its turn comes. */
export interface HeadTouch {
  readonly key: string
  /** @throws WEFT_STORE_CORRUPT when the write must not be; of one that is removed nothing needs to be sound */
  readonly find: () => Promise<StoredHead | undefined>
}

/** What one caller wants written atomically. */
export interface Write {
  /** A value to put, or null to delete the key; no head records. */
  readonly operations: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  /** Kept apart, so that a batch writes the head of a context once however many appends it holds. */
  readonly append?: HeadTouch & {
    readonly end: LogEnd
    readonly records: readonly LogRecord[]
    /** The head record as it is to lie in the store. */
    readonly encode: (head: LogHead) => Uint8Array
  }
  readonly removes?: readonly HeadTouch[]
}

export function bytesOf(write: Write): number {
  let bytes = 0
  for (const { key, value } of write.operations) bytes += key.length + (value?.length ?? 0)
  return bytes
}

/** How many writes from the front of the queue go into the next batch: at least one, then until `bytes_max`. */
export function countForBatch(queue: readonly { readonly bytes: number }[], bytes_max: number): number {
  let count = 0
  let bytes = 0
  for (const write of queue) {
    bytes += write.bytes
    if (count > 0 && bytes > bytes_max) break
    count++
  }
  return count
}
