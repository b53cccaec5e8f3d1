import { z } from '@hono/zod-openapi'
import type { MergeReport } from '@weft/core'
import { CONFLICT } from './conflict-shape.js'
import { branchName, changeId, entryId, heads, id, session, workflowId } from './fields.js'
import { committedAt } from './log-shapes.js'
import { firstOf } from './pages.js'
import { next } from './route-parts.js'

const STALE = z
  .object({
    change: changeId,
    entry: entryId.optional().openapi({ description: 'absent of a change that holds no entries' }),
    branch: branchName,
    causes: z
      .array(
        z.object({
          kind: z.enum(['superseded', 'stale-read']),
          change: changeId,
          wrote: z.string(),
          read: z.string(),
        }),
      )
      .readonly()
      .openapi({ description: 'in the order of the changes that wrote; of many the first' }),
    causesLeftOut: z.int().openapi({ description: 'how many more there are' }),
    via: z.array(entryId).readonly().openapi({ description: 'stale entries that it was derived from' }),
  })
  .openapi('Stale', { description: 'What was derived from something that was written beside it' })

export const REPORT = z
  .object({
    workflow: workflowId,
    branch: branchName.openapi({ description: 'what was merged into' }),
    change: changeId,
    position: committedAt,
    merged: z
      .array(
        z.object({
          branch: branchName,
          heads,
          changes: z.int(),
          entries: z.array(entryId).readonly(),
          agents: z.array(id).readonly(),
        }),
      )
      .readonly()
      .openapi({ description: 'what each branch brought, in the order in which their entries come' }),
    order: z
      .array(entryId)
      .readonly()
      .openapi({ description: 'the entries that it brought, flattened (ORD-2)' }),
    conflicts: z.array(CONFLICT).readonly(),
    staleReads: z
      .array(STALE)
      .readonly()
      .openapi({ description: 'what is stale by the merge alone: no branch by itself showed it' }),
    totals: z
      .object({ order: z.int(), conflicts: z.int(), staleReads: z.int() })
      .openapi({ description: 'on all pages' }),
    offset: z.int().openapi({ description: 'where this page begins, in each of the lists' }),
    next,
    session,
  })
  .openapi('MergeReport', {
    description:
      'The account of a merge (MRG-3), the same wherever it is asked for. A long one comes in pages: each goes on in ' +
      '`order`, `conflicts`, `staleReads`, and what of the order each branch brought',
  })

/** Of a merge that had nothing to bring, and is none. */
export const NO_REPORT: MergeReport = {
  change: '',
  branch: '',
  merged: [],
  order: [],
  conflicts: [],
  staleReads: [],
}

interface Cut {
  readonly offset: number
  readonly limit: number
  readonly bytes_max: number
}

/** A page of a report: it goes through all its lists at once, and so has one end. */
export function reportPage(workflow: string, report: MergeReport, { offset, limit, bytes_max }: Cut) {
  const { change, order, conflicts, staleReads, merged } = report
  const lists = [order, conflicts, staleReads, ...merged.map(({ agents }) => agents)]
  const count = lists.reduce((most, { length }) => Math.max(most, length), 0)
  const rows = Array.from({ length: Math.max(0, Math.min(limit, count - offset)) }, (_, row) =>
    lists.map(list => list[offset + row] ?? null),
  )
  const end = offset + firstOf(rows, bytes_max).length
  const shown = new Set(order.slice(offset, end))
  return {
    merged: merged.map(each => ({
      ...each,
      entries: each.entries.filter(entry => shown.has(entry)),
      agents: each.agents.slice(offset, end),
    })),
    order: [...shown],
    conflicts: conflicts.slice(offset, end),
    staleReads: staleReads.slice(offset, end),
    totals: { order: order.length, conflicts: conflicts.length, staleReads: staleReads.length },
    offset,
    next: end < count ? `/v1/contexts/${workflow}/merges/${change}?offset=${end}&limit=${limit}` : null,
  }
}
