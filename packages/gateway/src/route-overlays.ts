import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { MAIN_BRANCH, OVERLAY_WORKFLOW, WeftError } from '@weft/core'
import type { OverlayVersion } from '@weft/replica'
import { committing, type Host, onBranch } from './asking.js'
import { changeId, id, json, label, position, session, time } from './fields.js'
import { AFTER_HEADER, aboutWaiting, answers, problems, SECURITY, takes, waiting } from './route-parts.js'
import { overlayOf } from './schemas.js'

const ENFORCE = z.enum(['commit', 'step', 'advisory'])
const version = z.int().min(1)

const VERSION = z
  .object({
    name: id,
    version,
    value: json,
    enforce: ENFORCE,
    agent: id,
    time,
    reason: z.string().optional(),
    position: position.openapi({ description: "in the log of the tenant's overlays" }),
    change: changeId,
  })
  .openapi('OverlayVersion')

const inOverlay = z.object({ name: id })
const query = z.strictObject(aboutWaiting)
const versions = z.array(VERSION)

const LIST = createRoute({
  method: 'get',
  path: '/v1/overlays',
  operationId: 'listOverlays',
  summary: 'The overlays of the tenant that are in force.',
  security: SECURITY,
  request: { query, headers: AFTER_HEADER },
  responses: {
    200: answers('In the order of their first publication.', z.object({ overlays: versions, session })),
    ...problems(),
  },
})

const GET = createRoute({
  method: 'get',
  path: '/v1/overlays/{name}',
  operationId: 'readOverlay',
  summary: 'The version of an overlay that is in force.',
  security: SECURITY,
  request: { params: inOverlay, query, headers: AFTER_HEADER },
  responses: { 200: answers('The version.', z.object({ ...VERSION.shape, session })), ...problems(404) },
})

const HISTORY = createRoute({
  method: 'get',
  path: '/v1/overlays/{name}/history',
  operationId: 'readOverlayHistory',
  summary: 'All versions of an overlay that there ever were, oldest first.',
  security: SECURITY,
  request: { params: inOverlay, query, headers: AFTER_HEADER },
  responses: { 200: answers('The versions.', z.object({ versions, session })), ...problems() },
})

const PUBLICATION = z
  .strictObject({
    value: json,
    enforce: ENFORCE.optional().openapi({
      description: 'what it asks of steps under an older version; default `commit`: that they commit nothing',
    }),
    barrier: z.boolean().optional().openapi({
      description:
        'answer when no worker that follows overlays can begin or commit a step under an older one',
    }),
    expect: z
      .strictObject({ version: z.int().min(0) })
      .optional()
      .openapi({ description: 'the version that must be in force still; 0 for none' }),
    agent: id.optional().openapi({ description: 'who publishes; default `publisher`' }),
    reason: label.optional(),
    ...waiting,
  })
  .openapi('Publication')

const PUBLISH = createRoute({
  method: 'post',
  path: '/v1/overlays/{name}',
  operationId: 'publishOverlay',
  summary:
    'Puts the next version of an overlay into force, for the whole tenant. Takes an admin of all workflows.',
  security: SECURITY,
  request: {
    params: inOverlay,
    headers: AFTER_HEADER,
    body: takes(PUBLICATION),
  },
  responses: {
    201: answers('It is in force.', z.object({ name: id, version, position, session }).openapi('Published')),
    ...problems(412, 413, 415, 422),
  },
})

const asked = { workflow: OVERLAY_WORKFLOW, branch: MAIN_BRANCH }

export function routeOverlays(app: OpenAPIHono, host: Host): void {
  app.openapi(LIST, async c => {
    const { body, session } = await onBranch(
      host,
      c,
      { ...asked, ...c.req.valid('query') },
      (_, wait, { replica }) => replica.overlays.list(wait),
    )
    return c.json({ overlays: body, session }, 200)
  })

  app.openapi(GET, async c => {
    const { name } = c.req.valid('param')
    const { body, session } = await onBranch(
      host,
      c,
      { ...asked, ...c.req.valid('query') },
      async (_, wait, { replica }) => known(name, await replica.overlays.get(name, wait)),
    )
    return c.json({ ...body, session }, 200)
  })

  app.openapi(HISTORY, async c => {
    const { name } = c.req.valid('param')
    const { body, session } = await onBranch(
      host,
      c,
      { ...asked, ...c.req.valid('query') },
      (_, wait, { replica }) => replica.overlays.history(name, wait),
    )
    return c.json({ versions: body, session }, 200)
  })

  app.openapi(PUBLISH, async c => {
    const { name } = c.req.valid('param')
    const { value, enforce, barrier, expect, agent, reason, after, wait_ms } = c.req.valid('json')
    const options = {
      ...(enforce && { enforce }),
      ...(barrier !== undefined && { barrier }),
      ...(expect && { after: expect.version }),
      ...(agent !== undefined && { agent }),
      ...(reason !== undefined && { reason }),
    }
    const { body, session } = await committing(
      host,
      c,
      { ...asked, after, wait_ms },
      (_, { timeout_ms }, { replica }) =>
        replica.overlays.publish(overlayOf(host.schemas, name), value, { ...options, timeout_ms }),
    )
    return c.json({ ...body, session }, 201)
  })
}

/** @throws WEFT_REQUEST_UNKNOWN */
function known(name: string, version: OverlayVersion | undefined): OverlayVersion {
  if (version) return version
  throw new WeftError(
    'WEFT_REQUEST_UNKNOWN',
    `there is no overlay ${JSON.stringify(name.slice(0, 80))}`,
    'publish it first, or use the name of one that GET /v1/overlays lists',
    { overlay: name },
  )
}
