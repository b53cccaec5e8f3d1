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
 * Cuts a page out of a list that does not change, or grows at its end alone.
 * @param at the position that the list is of, which the next page names too
 */
export function pageOf<Item>(
  c: HonoContext,
  all: readonly Item[],
  { offset, limit, at, bytes_max }: { offset: number; limit: number; at?: number; bytes_max: number },
): Page<Item> {
  const items = firstOf(all.slice(offset, offset + limit), bytes_max)
  const end = offset + items.length
  return {
    items,
    total: all.length,
    offset,
    next: end < all.length ? linkTo(c, { ...(at !== undefined && { at }), offset: end }) : null,
  }
}

/** As many as fit into so many bytes, about, and always one if there is any. */
export function firstOf<Item>(all: readonly Item[], bytes_max: number): Item[] {
  const items: Item[] = []
  let bytes = 0
  for (const item of all) {
    bytes += JSON.stringify(item).length
    if (items.length > 0 && bytes > bytes_max) break
    items.push(item)
  }
  return items
}

function linkTo(c: HonoContext, values: Readonly<Record<string, number>>): string {
  const { pathname, searchParams } = new URL(c.req.url)
  searchParams.delete('after')
  for (const [name, value] of Object.entries(values)) searchParams.set(name, String(value))
  return `${pathname}?${searchParams}`
}
