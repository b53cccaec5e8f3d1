import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { assertJson } from '@weft/core'
import { type Host, toWrite } from './asking.js'
import { aboutWriting } from './branch-shapes.js'
import { EXPECT, seen } from './change-shapes.js'
import { CONFLICT, isAbout } from './conflict-shape.js'
import { definedOf } from './defined.js'
import { branchName, changeId, heads, json, pointer, position, session, workflowId } from './fields.js'
import { AFTER_HEADER, answers, inWorkflow, problems, SECURITY, takes } from './route-parts.js'
import { contextOf } from './schemas.js'

const RESOLUTION = z
  .strictObject({
    ...aboutWriting,
    pointer: pointer.openapi({
      description: 'as the conflict has it; a conflict above or below it is settled too',
    }),
    value: json.optional().openapi({ description: 'any JSON; without it, what is there is deleted' }),
    seen: seen.optional().openapi({
      description:
        'the heads that the conflict was read with: a value that came since is not settled. Default: what the branch shows now',
    }),
    expect: EXPECT.optional(),
  })
  .openapi('ConflictResolution')

const RESOLVED = z
  .object({
    workflow: workflowId,
    branch: branchName,
    change: changeId,
    pointer,
    conflicts: z
      .array(CONFLICT)
      .readonly()
      .openapi({ description: 'what is open there still: values that its author had not seen' }),
    position,
    heads,
    session,
  })
  .openapi('Resolved')

const ROUTE = createRoute({
  method: 'post',
  path: '/v1/contexts/{workflow}/resolutions',
  operationId: 'resolveConflict',
  summary:
    'Settles what is in conflict at a pointer of the state (MRG-2): a change like any other, after all the values. To say ' +
    'it again is harmless: the same agent is told of its own resolution, also when somebody has written there since.',
  security: SECURITY,
  request: { params: inWorkflow, headers: AFTER_HEADER, body: takes(RESOLUTION) },
  responses: {
    200: answers('The same agent had settled the same already.', RESOLVED),
    201: answers('It is settled, durably.', RESOLVED),
    ...problems(404, 409, 412, 413, 415, 422, 429),
  },
})

export function routeResolutions(app: OpenAPIHono, host: Host): void {
  app.openapi(ROUTE, async c => {
    const { workflow } = c.req.valid('param')
    const { pointer, value, seen, expect, reason, schema, ...asked } = c.req.valid('json')
    if (value !== undefined) assertJson(value)
    const about = { workflow, definition: contextOf(host.schemas, schema), ...asked }
    const { body, session } = await toWrite(host, c, about, async (handle, { timeout_ms }) => {
      const conditions = expect && definedOf(expect)
      const options = definedOf({ timeout_ms, seen, expect: conditions, reason })
      const { isNew, change, position } = await handle.proposeResolution(pointer, value, options)
      const conflicts = handle.conflicts().filter(isAbout(pointer))
      const { branch, heads } = handle
      return { isNew, answer: { workflow, branch, change: change!, pointer, conflicts, position, heads } }
    })
    return c.json({ ...body.answer, session }, body.isNew ? 201 : 200)
  })
}
