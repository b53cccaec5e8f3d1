import { type LogRecord, type Position, toKept } from '@weft/core'
import type { Page, PageCache, PageOwner } from '../base/page-cache.js'
import { recordsFrom } from './log-tail.js'

/** @returns records from a position on, as `TenantStore.read`: none where the log has none */
type ReadPage = (from: Position) => Promise<readonly LogRecord[]>

/**
 * What was read of a log from disk of late. Whoever follows takes a little at a time, and seldom alone: each page is read
 * and verified once for all of them, while there is room for it.
 */
export class LogPages implements PageOwner {
  readonly #pages = new Set<Page>()
  /** By where they begin, those that are being read. */
  #reading = new Map<Position, Promise<readonly LogRecord[]>>()

  constructor(
    private readonly cache: PageCache,
    private readonly readPage: ReadPage,
  ) {}

  /** Records from `from` on, as `TenantStore.read`; undefined where the one at `from` is not in memory. */
  inMemory(from: Position, bytes_max: number): readonly LogRecord[] | undefined {
    for (const page of this.#pages) {
      const records = recordsFrom(page, from, bytes_max)
      if (records === undefined || records.length === 0) continue
      this.cache.used(page)
      return records
    }
    return undefined
  }

  /** As `TenantStore.read`. */
  async read(from: Position, bytes_max: number): Promise<readonly LogRecord[]> {
    const page = await (this.#reading.get(from) ?? this.#read(from))
    return recordsFrom(page, from, bytes_max) ?? []
  }

  /** These are what the log holds. */
  keep(page: Page): void {
    if (page.length > 0 && this.cache.add(page, this)) this.#pages.add(page)
  }

  letGo(page: Page): void {
    this.#pages.delete(page)
  }

  /** The log holds something else now, or nobody reads it any more: what is being read is not kept either. */
  clear(): void {
    this.#reading = new Map()
    for (const page of [...this.#pages]) this.cache.delete(page)
  }

  async #read(from: Position): Promise<readonly LogRecord[]> {
    const reading = this.readPage(from)
    const underWay = this.#reading
    underWay.set(from, reading)
    try {
      const page = await reading
      if (underWay === this.#reading) this.keep(page.map(toKept))
      return page
    } finally {
      underWay.delete(from)
    }
  }
}
