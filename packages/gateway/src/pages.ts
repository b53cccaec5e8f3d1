import type { Context as HonoContext } from 'hono'

/** One page of what is listed, and where the next one is. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly total: number
  readonly offset: number
  /** Path and query, relative to this host. */
  readonly next: string | null
}

/**
 * Cuts a page out of a list that does not change, as it is the one of a position; the next one names that.
 * @param at the position that the list is of
 */
export function pageOf<Item>(
  c: HonoContext,
  all: readonly Item[],
  { offset, limit, at, bytes_max }: { offset: number; limit: number; at: number; bytes_max: number },
): Page<Item> {
  const items: Item[] = []
  let bytes = 0
  for (const item of all.slice(offset, offset + limit)) {
    bytes += JSON.stringify(item).length
    if (items.length > 0 && bytes > bytes_max) break
    items.push(item)
  }
  const end = offset + items.length
  return {
    items,
    total: all.length,
    offset,
    next: end < all.length ? linkTo(c, { at, offset: end }) : null,
  }
}

function linkTo(c: HonoContext, values: Readonly<Record<string, number>>): string {
  const { pathname, searchParams } = new URL(c.req.url)
  searchParams.delete('after')
  for (const [name, value] of Object.entries(values)) searchParams.set(name, String(value))
  return `${pathname}?${searchParams}`
}
