import { createRoute, type OpenAPIHono, type z } from '@hono/zod-openapi'
import { assertJson, type JsonObject, stateRef, WeftError } from '@weft/core'
import { committing, type Host } from './asking.js'
import type { AnyHandle } from './bearer.js'
import { CHANGE, WRITTEN } from './change-shapes.js'
import { applyPatch, type Operation, pointersRead, pointersTested } from './json-patch.js'
import { AFTER_HEADER, answers, inWorkflow, problems, SECURITY, takes } from './route-parts.js'
import { contextOf } from './schemas.js'

const ROUTE = createRoute({
  method: 'post',
  path: '/v1/contexts/{workflow}/changes',
  operationId: 'writeChange',
  summary: 'Writes one atomic change; answers when it is fsynced at the peer (DUR-1).',
  security: SECURITY,
  request: {
    params: inWorkflow,
    headers: AFTER_HEADER,
    body: takes(CHANGE),
  },
  responses: {
    200: answers('There was nothing to write.', WRITTEN),
    201: answers('It is durable.', WRITTEN),
    ...problems(404, 409, 412, 413, 415, 422, 429),
  },
})

type ChangeRequest = z.infer<typeof CHANGE>

export function routeChange(app: OpenAPIHono, host: Host): void {
  app.openapi(ROUTE, async c => {
    const { workflow } = c.req.valid('param')
    const request = c.req.valid('json')
    checkSomething(request)
    const { branch, agent, after, wait_ms, schema } = request
    const definition = contextOf(host.schemas, schema)
    const asked = { workflow, branch, agent, after, wait_ms, definition }
    const { body, session } = await committing(host, c, asked, (handle, { timeout_ms }) =>
      write(handle, request, timeout_ms),
    )
    return c.json({ ...body, session }, body.change === null ? 200 : 201)
  })
}

/** What is being written is not given up when who asked for it is gone: nobody would know what became of it. */
async function write(handle: AnyHandle, request: ChangeRequest, timeout_ms: number) {
  const { entries = [], patch, dependsOn = [], seen, overlays, reason, step, trace } = request
  const operations = patch && checkedPatch(patch)
  const accepted = await handle.propose(
    draft => {
      for (const { kind, value, dependsOn = [] } of entries) draft.append(kind, value, { dependsOn })
      draft.dependsOn(...dependsOn, ...(operations ? pointersRead(operations).map(stateRef) : []))
      if (operations) draft.change(state => patched(state as JsonObject, operations))
    },
    {
      expect: expectationsOf(request, operations),
      ...(seen && { seen }),
      ...(overlays && { overlays }),
      ...(reason !== undefined && { reason }),
      ...(step !== undefined && { step }),
      ...(trace !== undefined && { trace }),
      timeout_ms,
    },
  )
  return {
    workflow: handle.workflow,
    branch: handle.branch,
    change: accepted?.change ?? null,
    entries: accepted?.entries ?? [],
    position: accepted?.position ?? handle.position,
    heads: handle.heads,
  }
}

/** @throws WEFT_VALUE_NOT_JSON */
function checkedPatch(patch: NonNullable<ChangeRequest['patch']>): readonly Operation[] {
  for (const operation of patch) if ('value' in operation) assertJson(operation.value)
  return patch as readonly Operation[]
}

function patched(state: JsonObject, operations: readonly Operation[]): JsonObject {
  // A draft is a proxy, which is made for being written to.
  return applyPatch(JSON.parse(JSON.stringify(state)), operations) as JsonObject
}

/** What the request expects, and what its patch tests. */
function expectationsOf({ expect = {} }: ChangeRequest, operations: readonly Operation[] = []) {
  const { heads, writers, unmoved = [] } = expect
  const tested = pointersTested(operations).map(stateRef)
  return {
    ...(heads && { heads }),
    ...(writers && { writers }),
    unmoved: [...unmoved, ...tested],
  }
}

/** @throws WEFT_REQUEST_MALFORMED */
function checkSomething({ entries = [], patch = [] }: ChangeRequest): void {
  if (entries.length + patch.length > 0) return
  throw new WeftError(
    'WEFT_REQUEST_MALFORMED',
    'the change has neither entries nor a patch',
    'pass at least one entry, or one operation of a patch',
  )
}
