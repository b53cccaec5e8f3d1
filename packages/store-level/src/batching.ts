import type { LogHead } from '@weft/core'

/** What one caller wants written atomically. */
export interface Write {
  /** A value to put, or null to delete the key. */
  readonly operations: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  /** Kept apart, so that a batch writes the head of a context once however many appends it holds. */
  readonly head?: { readonly key: string; readonly value: LogHead }
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

/** The head that each context has after all these writes. */
export function lastHeads(writes: readonly Write[]): Map<string, LogHead> {
  const heads = new Map<string, LogHead>()
  for (const { head } of writes) if (head !== undefined) heads.set(head.key, head.value)
  return heads
}
