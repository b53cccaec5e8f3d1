import { toHex, writeHex } from '../base/bytes.js'
import { WeftError } from '../base/errors.js'
import { HASH_BYTES } from '../base/hash.js'
import type { ChangeId, WorkflowId } from '../base/ids.js'
import type { Hash } from '../base/ports.js'
import type { LogHead, TenantStore, VerifiedRecord } from './store.js'

/**
 * 64 hex digits that say which changes a log holds, and in which order: h(0) is zeros, h(n) the SHA-256 of h(n - 1) and
 * the n-th id, 32 bytes each. Two logs with one running hash are one log.
 */
export type RunningHash = string

export const EMPTY_LOG: RunningHash = '0'.repeat(2 * HASH_BYTES)

/** The running hash after `ids` were added to a log whose running hash was `before`. */
export function extendRunningHash(hash: Hash, before: RunningHash, ids: Iterable<ChangeId>): RunningHash {
  const pair = new Uint8Array(2 * HASH_BYTES)
  writeHex(before, pair)
  for (const id of ids) {
    writeHex(id, pair, HASH_BYTES)
    hash(pair, pair, 0)
  }
  return toHex(pair, 0, HASH_BYTES)
}

const PAGE_BYTES = 1_048_576

/**
 * A log from its first change to the last that its head tells of, page by page. Only when all of it was read is it known
 * to be what was sealed: act on nothing before it has ended.
 * @param page_bytes of a page; it ends with the change that crosses the mark
 * @returns the head; undefined for a context that was never written
 * @throws WEFT_STORE_CORRUPT, at the end too, when the records are sound but are not those that were sealed (DUR-4)
 */
export async function* wholeLog(
  store: Pick<TenantStore, 'head' | 'read'>,
  workflow: WorkflowId,
  hash: Hash,
  page_bytes = PAGE_BYTES,
): AsyncGenerator<readonly VerifiedRecord[], LogHead | undefined> {
  const head = await store.head(workflow)
  let read = 0
  let running = EMPTY_LOG
  while (head !== undefined && read < head.count) {
    const page = await store.read(workflow, read + 1, page_bytes)
    // What was appended since is no part of what this head seals.
    const records = page.slice(0, head.count - read)
    running = extendRunningHash(
      hash,
      running,
      records.map(({ id }) => id),
    )
    read += records.length
    yield records
  }
  if (head !== undefined && running !== head.runningHash) throw notSealed(workflow)
  return head
}

function notSealed(workflow: WorkflowId): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `the changes in the log of ${workflow} are sound, but are not those that were sealed`,
    'this context stays unreadable, others are served: fill it from a replica or an export with `weft repair`',
    { workflow },
  )
}
