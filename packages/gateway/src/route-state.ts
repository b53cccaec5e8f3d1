import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type JsonObject, valueAt } from '@weft/core'
import { type Host, onBranch } from './asking.js'
import type { AnyHandle } from './bearer.js'
import { CONFLICT, isAbout } from './conflict-shape.js'
import {
  branchName,
  changeId,
  heads,
  json,
  pointer,
  position,
  schemaName,
  session,
  workflowId,
} from './fields.js'
import { AFTER_HEADER, aboutBranch, answers, at, inWorkflow, problems, SECURITY } from './route-parts.js'
import { contextOf } from './schemas.js'

const STATE = z
  .object({
    workflow: workflowId,
    branch: branchName,
    position,
    heads,
    pointer,
    exists: z.boolean().openapi({ description: 'whether there is anything at the pointer' }),
    state: json.optional().openapi({ description: 'the state, or the value at the pointer' }),
    conflicts: z.array(CONFLICT).readonly(),
    writers: z.array(changeId).readonly().optional().openapi({
      description: 'who wrote last at the pointer that is asked for, now: what a change can `expect`',
    }),
    session,
  })
  .openapi('State')

const ROUTE = createRoute({
  method: 'get',
  path: '/v1/contexts/{workflow}/state',
  operationId: 'readState',
  summary: 'The state of a branch, or the value at a pointer of it, with its open conflicts.',
  security: SECURITY,
  request: {
    params: inWorkflow,
    query: z.strictObject({
      ...aboutBranch,
      at: at.optional(),
      pointer: pointer.optional().openapi({ description: 'default: the whole state' }),
      schema: schemaName.optional().openapi({
        description:
          'show it in the shape of this definition, or refuse it when it is at another one (HND-2)',
      }),
    }),
    headers: AFTER_HEADER,
  },
  responses: { 200: answers('What the branch shows.', STATE), ...problems(404, 409, 416) },
})

interface StateQuestion {
  readonly at?: number | undefined
  readonly pointer?: string | undefined
}

export function routeState(app: OpenAPIHono, host: Host): void {
  app.openapi(ROUTE, async c => {
    const { workflow } = c.req.valid('param')
    const { schema, ...question } = c.req.valid('query')
    const definition = schema && contextOf(host.schemas, schema)
    const asked = { workflow, definition, ...question }
    const { body, session } = await onBranch(host, c, asked, handle => stateOf(handle, question))
    return c.json({ ...body, session }, 200)
  })
}

function stateOf(handle: AnyHandle, { at, pointer: asked }: StateQuestion) {
  const pointer = asked ?? ''
  const shown = at === undefined ? handle : handle.at(at)
  const state = valueAt(shown.state as JsonObject, pointer)
  return {
    workflow: handle.workflow,
    branch: handle.branch,
    position: at ?? handle.position,
    heads: shown.heads,
    pointer,
    exists: state !== undefined,
    state,
    conflicts: shown.conflicts().filter(isAbout(pointer)),
    writers: asked !== undefined && at === undefined ? handle.lastWriters(pointer) : undefined,
  }
}
