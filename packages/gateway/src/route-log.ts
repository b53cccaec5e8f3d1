import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { AuditRecord, Entry } from '@weft/core'
import type { Context as HonoContext } from 'hono'
import { type Host, onBranch } from './asking.js'
import type { AnyHandle } from './bearer.js'
import { branchName, flag, heads, id, pointer, position, session, workflowId } from './fields.js'
import { ENTRY, RECORD } from './log-shapes.js'
import { pageOf } from './pages.js'
import {
  AFTER_HEADER,
  aboutBranch,
  answers,
  at,
  inWorkflow,
  next,
  pageOfUpTo,
  problems,
  SECURITY,
} from './route-parts.js'

const LIMIT = 100
const LIMIT_MAX = 1_000

/** A page of what is listed under a name of its own. */
const page = {
  workflow: workflowId,
  branch: branchName,
  position: position.openapi({ description: 'what the pages are of, whatever is written meanwhile' }),
  heads,
  total: z.int().openapi({ description: 'on all pages' }),
  offset: z.int(),
  next,
  session,
}

const pageQuery = {
  ...aboutBranch,
  at: at.optional(),
  ...pageOfUpTo(LIMIT_MAX, LIMIT),
  kind: id.optional().openapi({ description: 'of this kind only' }),
  agent: id.optional().openapi({ description: 'what this agent wrote only' }),
}

const LOG = createRoute({
  method: 'get',
  path: '/v1/contexts/{workflow}/log',
  operationId: 'readLog',
  summary: 'The entries of a branch in causal order (ORD-1), page by page.',
  security: SECURITY,
  request: {
    params: inWorkflow,
    query: z.strictObject({
      ...pageQuery,
      reverted: flag.optional().openapi({ description: 'with those that have been reverted' }),
    }),
    headers: AFTER_HEADER,
  },
  responses: {
    200: answers('A page of entries.', z.object({ ...page, entries: z.array(ENTRY) }).openapi('Log')),
    ...problems(404, 416),
  },
})

const AUDIT = createRoute({
  method: 'get',
  path: '/v1/contexts/{workflow}/audit',
  operationId: 'readAudit',
  summary: 'The changes of a branch in causal order, page by page: who wrote what, when, why and from what.',
  security: SECURITY,
  request: {
    params: inWorkflow,
    query: z.strictObject({
      ...pageQuery,
      pointer: pointer.optional().openapi({ description: 'what wrote this, or above or below it, only' }),
      own: flag.optional().openapi({ description: 'only what was written on this very branch' }),
    }),
    headers: AFTER_HEADER,
  },
  responses: {
    200: answers('A page of changes.', z.object({ ...page, records: z.array(RECORD) }).openapi('Audit')),
    ...problems(404, 416),
  },
})

interface PageQuestion {
  readonly at?: number | undefined
  readonly offset?: number | undefined
  readonly limit?: number | undefined
}

export function routeLog(app: OpenAPIHono, host: Host): void {
  app.openapi(LOG, async c => {
    const { workflow } = c.req.valid('param')
    const { kind, agent, reverted, branch, after, wait_ms, ...question } = c.req.valid('query')
    const wanted = (entry: Entry): boolean =>
      (kind === undefined || entry.kind === kind) && (agent === undefined || entry.agent === agent)
    const asked = { workflow, branch, after, wait_ms }
    const { body, session } = await onBranch(host, c, asked, handle => {
      const listing = (snapshot: ReturnType<AnyHandle['at']>) =>
        snapshot.entries({ reverted: reverted ?? false }).filter(wanted)
      const { items, ...rest } = pageAt(host, c, handle, question, listing)
      return { ...rest, entries: items.map(entry => ({ ...entry, ...committed(handle, entry) })) }
    })
    return c.json({ ...body, session }, 200)
  })

  app.openapi(AUDIT, async c => {
    const { workflow } = c.req.valid('param')
    const { branch, after, wait_ms, at, offset, limit, own, ...filter } = c.req.valid('query')
    const asked = { workflow, branch, after, wait_ms }
    const { body, session } = await onBranch(host, c, asked, handle => {
      const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
      const listing = (snapshot: ReturnType<AnyHandle['at']>) => [
        ...snapshot.audit({ ...given, ...(own && { branch: handle.branch }) }),
      ]
      const { items, ...rest } = pageAt(host, c, handle, { at, offset, limit }, listing)
      return { ...rest, records: items.map(record => ({ ...record, ...committed(handle, record) })) }
    })
    return c.json({ ...body, session }, 200)
  })
}

/** A page of what the committed log shows at a position, by default the last that is known. */
function pageAt<Item>(
  { limits }: Host,
  c: HonoContext,
  handle: AnyHandle,
  { at = handle.position, offset = 0, limit = LIMIT }: PageQuestion,
  listing: (snapshot: ReturnType<AnyHandle['at']>) => readonly Item[],
) {
  const snapshot = handle.at(at)
  const cut = { offset, limit, at, bytes_max: limits.page_bytes_max }
  return {
    workflow: handle.workflow,
    branch: handle.branch,
    position: at,
    heads: snapshot.heads,
    ...pageOf(c, listing(snapshot), cut),
  }
}

function committed(handle: AnyHandle, { change }: Entry | AuditRecord) {
  return { position: handle.positionOf(change) ?? null }
}
