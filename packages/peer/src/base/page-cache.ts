import type { KeptRecord, LogRecord } from '@weft/core'
import { LRUCache } from 'lru-cache'

/** What a record takes beside the bytes of its change, about. */
const RECORD_BYTES = 256

/** Records that stand one behind the other in a log: one at least. */
export type Page = readonly KeptRecord[]

export interface PageOwner {
  /** Others have been used since, and there is no room for this one. */
  letGo(page: Page): void
}

/** Pages that were read from disk, of all the logs of a peer together: as many as fit, and those used last. */
export class PageCache {
  readonly #owners: LRUCache<Page, PageOwner>

  constructor(readonly bytes_max: number) {
    this.#owners = new LRUCache({
      // It takes 0 for no limit.
      maxSize: Math.max(1, bytes_max),
      sizeCalculation: (_, page) => sizeOf(page),
      dispose: (owner, page) => owner.letGo(page),
    })
  }

  /** What those take that are here, bytes. */
  get bytes(): number {
    return this.#owners.calculatedSize
  }

  /** @returns whether there is room for it at all */
  add(page: Page, owner: PageOwner): boolean {
    if (sizeOf(page) > this.bytes_max) return false
    this.#owners.set(page, owner)
    return true
  }

  used(page: Page): void {
    this.#owners.get(page)
  }

  delete(page: Page): void {
    this.#owners.delete(page)
  }
}

/** What records take of the memory when they are kept, about, bytes. */
export function sizeOf(records: readonly LogRecord[]): number {
  return records.reduce((size, { bytes }) => size + bytes.length + RECORD_BYTES, 0)
}
