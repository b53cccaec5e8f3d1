import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { WeftError } from '@weft/core'
import { type Host, onBranch, toWrite } from './asking.js'
import { ABANDON, ABANDONED, BRANCH, FORK, FORKED } from './branch-shapes.js'
import { definedOf } from './defined.js'
import { position, session, workflowId } from './fields.js'
import { pageOf } from './pages.js'
import {
  AFTER_HEADER,
  aboutWaiting,
  answers,
  inWorkflow,
  next,
  pageOfUpTo,
  problems,
  SECURITY,
  takes,
} from './route-parts.js'
import { contextOf } from './schemas.js'

const BRANCHES = '/v1/contexts/{workflow}/branches' as const
const LIMIT = 1_000

const LIST = createRoute({
  method: 'get',
  path: BRANCHES,
  operationId: 'listBranches',
  summary: 'The branches of a context, in the order in which they began, page by page; each as it is now.',
  security: SECURITY,
  request: {
    params: inWorkflow,
    query: z.strictObject({ ...aboutWaiting, ...pageOfUpTo(LIMIT) }),
    headers: AFTER_HEADER,
  },
  responses: {
    200: answers(
      'A page of branches.',
      z
        .object({
          workflow: workflowId,
          position,
          total: z.int().openapi({ description: 'on all pages' }),
          offset: z.int(),
          next,
          branches: z.array(BRANCH),
          session,
        })
        .openapi('Branches'),
    ),
    ...problems(),
  },
})

const FORKING = createRoute({
  method: 'post',
  path: BRANCHES,
  operationId: 'forkBranches',
  summary:
    'Begins branches, all of them or none. To say it again is harmless: the same agent is told of its own fork, and nobody ' +
    'else is given a branch that has begun.',
  security: SECURITY,
  request: { params: inWorkflow, headers: AFTER_HEADER, body: takes(FORK) },
  responses: {
    200: answers('The same agent had forked just these already: they are as they are now.', FORKED),
    201: answers('They have begun, durably.', FORKED),
    ...problems(404, 409, 413, 415, 416, 429),
  },
})

const ABANDONING = createRoute({
  method: 'post',
  path: `${BRANCHES}/abandon`,
  operationId: 'abandonBranches',
  summary:
    'Ends branches without merging them; all of it stays to be read, and whoever writes on one goes on with it, by a lease ' +
    'or without. To say it again is harmless: those that are abandoned stay so.',
  security: SECURITY,
  request: { params: inWorkflow, headers: AFTER_HEADER, body: takes(ABANDON) },
  responses: {
    200: answers('There was nothing to end.', ABANDONED),
    201: answers('They are ended, durably.', ABANDONED),
    ...problems(404, 413, 415, 429),
  },
})

export function routeBranches(app: OpenAPIHono, host: Host): void {
  app.openapi(LIST, async c => {
    const { workflow } = c.req.valid('param')
    const { offset = 0, limit = LIMIT, ...wait } = c.req.valid('query')
    const { body, session } = await onBranch(host, c, { workflow, ...wait }, handle => {
      const cut = { offset, limit, bytes_max: host.limits.page_bytes_max }
      const { items, ...rest } = pageOf(c, handle.branches, cut)
      const branches = items.map(name => handle.branchStatus(name))
      return { workflow, position: handle.position, ...rest, branches }
    })
    return c.json({ ...body, session }, 200)
  })

  app.openapi(FORKING, async c => {
    const { workflow } = c.req.valid('param')
    const { branches, at, reason, schema, ...asked } = c.req.valid('json')
    const about = { workflow, definition: contextOf(host.schemas, schema), ...asked }
    const { body, session } = await toWrite(host, c, about, async (handle, { timeout_ms }) => {
      const options = definedOf({ timeout_ms, at, reason })
      const { isNew, position, change } = await handle.proposeFork(branches, options)
      const { branch, heads } = handle
      const begun = branches.map(name => handle.branchStatus(name))
      return { isNew, answer: { workflow, branch, change: change!, branches: begun, position, heads } }
    })
    return c.json({ ...body.answer, session }, body.isNew ? 201 : 200)
  })

  app.openapi(ABANDONING, async c => {
    const { workflow } = c.req.valid('param')
    const { branches, unmerged, reason, ...asked } = c.req.valid('json')
    checkWhich(branches, unmerged)
    const { body, session } = await toWrite(host, c, { workflow, ...asked }, (handle, { timeout_ms }) =>
      handle.proposeAbandonment(branches ?? handle.unmerged, definedOf({ timeout_ms, reason })),
    )
    return c.json({ workflow, ...body, session }, body.changes.length > 0 ? 201 : 200)
  })
}

/** @throws WEFT_REQUEST_MALFORMED */
function checkWhich(branches: readonly string[] | undefined, unmerged: true | undefined): void {
  if ((branches === undefined) !== (unmerged === undefined)) return
  throw new WeftError(
    'WEFT_REQUEST_MALFORMED',
    'it is not said which branches to abandon, or in two ways',
    'pass either `branches` or `unmerged`; GET …/branches tells how each of them stands',
  )
}
