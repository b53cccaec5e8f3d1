import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { isEngineOverlay, type StalePolicy, type ToldOverlay, type Window } from '@weft/core'
import { type Host, onBranch, type Wait } from './asking.js'
import type { AnyHandle, Bearer } from './bearer.js'
import {
  branchName,
  entryId,
  flag,
  heads,
  id,
  jsonObject,
  many,
  position,
  schemaName,
  session,
  whole,
  workflowId,
} from './fields.js'
import { AFTER_HEADER, aboutBranch, answers, at, inWorkflow, problems, SECURITY } from './route-parts.js'
import { contextOf, overlayOf, type Schemas } from './schemas.js'

const FORMATS = z.enum(['openai', 'ai-sdk', 'anthropic', 'parts'])
const ORDERS = z.enum(['branches', 'interleaved'])

const messages = z.array(jsonObject).readonly()

const WINDOW = z
  .object({
    workflow: workflowId,
    branch: branchName,
    position,
    heads,
    recipe: z
      .object({
        budget: z.int(),
        as: FORMATS,
        order: ORDERS,
        pin: z.object({ kinds: z.array(id).readonly(), entries: z.array(entryId).readonly() }),
        staleness: z.record(z.string(), z.string()),
        overlays: z.record(z.string(), z.int()).optional().openapi({
          description:
            'the versions that it tells: pass them with the change that comes of it, and the peer refuses that under newer rules',
        }),
      })
      .openapi({ description: 'what makes the same window again, of the same heads' }),
    counter: z.string(),
    tokens: z.int().openapi({ description: 'never more than the budget (WIN-1)' }),
    text: z.string().openapi({ description: 'the exact JSON to hand to the model' }),
    digest: z.string().openapi({ description: 'SHA-256 of the text, in hex' }),
    messages: messages.optional(),
    system: messages.optional().openapi({ description: 'beside the messages, as Anthropic wants it' }),
    parts: z.array(z.unknown()).readonly().optional(),
    included: z
      .array(z.object({ entry: entryId, kind: id, tier: z.string(), stale: z.boolean() }))
      .readonly(),
    leftOut: z
      .array(z.object({ entry: entryId, why: z.string(), detail: z.string() }))
      .readonly()
      .optional()
      .openapi({ description: 'what is not in it, and why, unless it was not asked for' }),
    session,
  })
  .openapi('Window', {
    description: 'A branch flattened for a model, and what of it is not in there, and why',
  })

const ROUTE = createRoute({
  method: 'get',
  path: '/v1/contexts/{workflow}/window',
  operationId: 'readWindow',
  summary: 'A branch flattened for a model, within a budget of tokens (o200k_base).',
  security: SECURITY,
  request: {
    params: inWorkflow,
    query: z.strictObject({
      ...aboutBranch,
      at: at.optional(),
      budget: whole(1).openapi({ description: 'tokens, at most' }),
      as: FORMATS.optional().openapi({ description: 'whose form; default `openai`' }),
      order: ORDERS.optional(),
      pinKind: many('kinds that are always in it').optional(),
      pinEntry: many('entries that are always in it').optional(),
      staleness: many('what becomes of stale entries: `drop`, `flag` or `keep`, or `kind:policy`').optional(),
      overlays: flag.optional().openapi({
        description: 'whether it tells the overlays in force, as the system’s; default true, without `at`',
      }),
      leftOut: flag
        .optional()
        .openapi({ description: 'default true; of a long context what is left out is nearly all of it' }),
      schema: schemaName.optional().openapi({
        description:
          'the definition whose renderers and pins count; default: everything is told by its shape',
      }),
    }),
    headers: AFTER_HEADER,
  },
  responses: { 200: answers('The window.', WINDOW), ...problems(404, 409, 416, 422) },
})

interface WindowQuestion {
  readonly at?: number | undefined
  readonly budget: number
  readonly as?: z.infer<typeof FORMATS> | undefined
  readonly order?: z.infer<typeof ORDERS> | undefined
  readonly pinKind?: readonly string[] | undefined
  readonly pinEntry?: readonly string[] | undefined
  readonly staleness?: readonly string[] | undefined
  readonly leftOut?: boolean | undefined
}

/** @throws WEFT_NOT_SYNCED · WEFT_SCOPE · WEFT_ABORTED */
async function overlaysInForce(schemas: Schemas, { replica }: Bearer, wait: Wait): Promise<ToldOverlay[]> {
  const inForce = await replica.overlays.list(wait)
  return inForce
    .filter(({ name }) => !isEngineOverlay(name))
    .map(({ name, version, value }) => {
      const definition = overlayOf(schemas, name)
      const render = typeof definition === 'string' ? undefined : definition.render
      return { name, version, value, render }
    })
}

export function routeWindow(app: OpenAPIHono, host: Host): void {
  app.openapi(ROUTE, async c => {
    const { workflow } = c.req.valid('param')
    const { schema, branch, after, wait_ms, overlays, ...question } = c.req.valid('query')
    const tells = overlays ?? question.at === undefined
    const definition = schema && contextOf(host.schemas, schema)
    const asked = { workflow, branch, after, wait_ms, definition }
    const { body, session } = await onBranch(host, c, asked, async (handle, wait, bearer) => {
      const told = tells ? await overlaysInForce(host.schemas, bearer, wait) : []
      return windowOf(handle, question, told)
    })
    return c.json({ ...body, session }, 200)
  })
}

function windowOf(handle: AnyHandle, question: WindowQuestion, overlays: readonly ToldOverlay[]) {
  const { at, budget, as, order, pinKind = [], pinEntry = [], staleness, leftOut = true } = question
  const window = handle.window({
    budget,
    overlays,
    pin: { kinds: pinKind, entries: pinEntry },
    ...(as && { as }),
    ...(order && { order }),
    ...(staleness && { staleness: policiesOf(staleness) }),
    ...(at !== undefined && { at }),
  })
  return {
    workflow: handle.workflow,
    branch: handle.branch,
    position: at ?? handle.position,
    heads: at === undefined ? handle.heads : handle.at(at).heads,
    recipe: window.recipe,
    counter: window.counter,
    tokens: window.tokens,
    text: window.text,
    digest: window.digest,
    ...contentOf(window),
    included: window.included,
    // It is found when it is read, and costs more than all else.
    leftOut: leftOut ? window.leftOut : undefined,
  }
}

function contentOf(window: Window) {
  if ('parts' in window) return { parts: window.parts }
  if ('system' in window) return { system: window.system, messages: window.messages }
  return { messages: window.messages }
}

/** By kind; what names none is for all that are not named. The model says which policies there are. */
function policiesOf(texts: readonly string[]): Record<string, StalePolicy> {
  return Object.fromEntries(
    texts.map(text => {
      const [, kind = '*', policy] = /^(?:([^:]*):)?(.*)$/s.exec(text)!
      return [kind, policy as StalePolicy]
    }),
  )
}
