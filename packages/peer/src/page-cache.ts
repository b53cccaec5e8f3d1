import type { LogRecord } from '@weft/core'
import { LRUCache } from 'lru-cache'

const BYTES_MAX = 16_777_216
/** What a record takes beside the bytes of its change, about. */
const RECORD_BYTES = 256

/** Records that stand one behind the other in a log: one at least. */
export type Page = readonly LogRecord[]

export interface PageOwner {
  /** Others have been used since, and there is no room for this one. */
  letGo(page: Page): void
}

/** Pages that were read from disk, of all the logs of a peer together: as many as fit, and those used last. */
export class PageCache {
  readonly #owners = new LRUCache<Page, PageOwner>({
    maxSize: BYTES_MAX,
    sizeCalculation: (_, page) => sizeOf(page),
    dispose: (owner, page) => owner.letGo(page),
  })

  /** A page that is too large for all of it is let go of at once. */
  add(page: Page, owner: PageOwner): void {
    this.#owners.set(page, owner)
  }

  used(page: Page): void {
    this.#owners.get(page)
  }

  delete(page: Page): void {
    this.#owners.delete(page)
  }
}

export function sizeOf(page: Page): number {
  return page.reduce((size, { bytes }) => size + bytes.length + RECORD_BYTES, 0)
}
