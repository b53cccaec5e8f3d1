import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type Host, onBranch, toWrite } from './asking.js'
import { MERGE } from './branch-shapes.js'
import { definedOf } from './defined.js'
import { changeId, heads, position } from './fields.js'
import { NO_REPORT, REPORT, reportPage } from './merge-shapes.js'
import {
  AFTER_HEADER,
  aboutWaiting,
  answers,
  inWorkflow,
  pageOfUpTo,
  problems,
  SECURITY,
  takes,
} from './route-parts.js'
import { contextOf } from './schemas.js'

const MERGES = '/v1/contexts/{workflow}/merges' as const
const LIMIT = 1_000

const MERGED = z
  .object({
    ...REPORT.shape,
    change: changeId.nullable().openapi({ description: 'null when there was nothing to merge' }),
    position,
    heads,
  })
  .openapi('Merged', { description: 'A merge that is durable, with the first page of its report' })

const MERGING = createRoute({
  method: 'post',
  path: MERGES,
  operationId: 'mergeBranches',
  summary:
    'Brings branches into one, and reports what came of it (MRG-1, MRG-3). It is never refused for what others write ' +
    'meanwhile: that is concurrent to it, on its branch, and for a later merge on the others. To say it again is harmless: ' +
    'while the branches hold nothing new it answers with the merge that there is.',
  security: SECURITY,
  request: { params: inWorkflow, headers: AFTER_HEADER, body: takes(MERGE) },
  responses: {
    200: answers('The branch shows all of them already: by this merge, if one brought just them.', MERGED),
    201: answers('They are merged, durably.', MERGED),
    ...problems(404, 409, 413, 415, 429),
  },
})

const READ = createRoute({
  method: 'get',
  path: `${MERGES}/{change}`,
  operationId: 'readMerge',
  summary: 'The report of a merge that was made anywhere, page by page.',
  security: SECURITY,
  request: {
    params: inWorkflow.extend({ change: changeId }),
    query: z.strictObject({ ...aboutWaiting, ...pageOfUpTo(LIMIT) }),
    headers: AFTER_HEADER,
  },
  responses: { 200: answers('A page of the report.', REPORT), ...problems(404) },
})

export function routeMerges(app: OpenAPIHono, host: Host): void {
  app.openapi(MERGING, async c => {
    const { workflow } = c.req.valid('param')
    const { branches, reason, schema, ...asked } = c.req.valid('json')
    const about = { workflow, definition: contextOf(host.schemas, schema), ...asked }
    const { body, session } = await toWrite(host, c, about, async (handle, { timeout_ms }) => {
      const options = definedOf({ timeout_ms, reason })
      const { isNew, change = null, position } = await handle.proposeMerge(branches, options)
      const report = change === null ? NO_REPORT : handle.mergeReport(change)
      const page = reportPage(workflow, report, cutOf(host, {}))
      const { branch, heads } = handle
      return { isNew, answer: { workflow, branch, change, position, heads, ...page } }
    })
    return c.json({ ...body.answer, session }, body.isNew ? 201 : 200)
  })

  app.openapi(READ, async c => {
    const { workflow, change } = c.req.valid('param')
    const { after, wait_ms, ...asked } = c.req.valid('query')
    const { body, session } = await onBranch(host, c, { workflow, after, wait_ms }, handle => {
      const report = handle.mergeReport(change)
      const page = reportPage(workflow, report, cutOf(host, asked))
      const position = handle.positionOf(change) ?? null
      return { workflow, branch: report.branch, change, position, ...page }
    })
    return c.json({ ...body, session }, 200)
  })
}

function cutOf(
  { limits }: Host,
  { offset = 0, limit = LIMIT }: { offset?: number | undefined; limit?: number | undefined },
) {
  return { offset, limit, bytes_max: limits.page_bytes_max }
}
