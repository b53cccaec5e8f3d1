import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { committing, type Host, onBranch } from './asking.js'
import { definedOf } from './defined.js'
import { branchName, id, position, ref, session } from './fields.js'
import {
  AFTER_HEADER,
  aboutWaiting,
  answers,
  inSubscription,
  problems,
  SECURITY,
  takes,
  waiting,
} from './route-parts.js'

const FILTER = z
  .strictObject({
    refs: z.array(ref).readonly().optional(),
    kinds: z.array(id).readonly().optional(),
    branches: z.array(branchName).readonly().optional(),
  })
  .openapi('Filter', {
    description: 'what it is about: what fits every list that there is; without any, all',
  })

const STATUS = z
  .object({
    name: id,
    filter: FILTER,
    acknowledged: position.openapi({ description: 'everything up to here has been handled' }),
    epoch: z.int().openapi({ description: 'of the last claim, or of the definition' }),
    claimant: id,
    session,
  })
  .openapi('Subscription')

const DEFINITION = z
  .strictObject({
    agent: id,
    filter: FILTER.optional(),
    from: z
      .int()
      .optional()
      .openapi({ description: 'the first position that it is about; default 1: all that has ever happened' }),
    replace: z
      .boolean()
      .optional()
      .openapi({ description: 'define it anew where it is there with another filter, or to go to `from`' }),
    ...waiting,
  })
  .openapi('SubscriptionDefinition')

const DEFINE = createRoute({
  method: 'post',
  path: '/v1/contexts/{workflow}/subscriptions/{name}',
  operationId: 'defineSubscription',
  summary: 'Defines a subscription (WAK-1), if it is not there already with the same filter.',
  security: SECURITY,
  request: {
    params: inSubscription,
    headers: AFTER_HEADER,
    body: takes(DEFINITION),
  },
  responses: { 200: answers('It is there.', STATUS), ...problems(409, 413, 415, 416, 429) },
})

const READ = createRoute({
  method: 'get',
  path: '/v1/contexts/{workflow}/subscriptions/{name}',
  operationId: 'readSubscription',
  summary: 'How a subscription stands.',
  security: SECURITY,
  request: { params: inSubscription, query: z.strictObject(aboutWaiting), headers: AFTER_HEADER },
  responses: { 200: answers('How it stands.', STATUS), ...problems(404) },
})

export function routeSubscriptions(app: OpenAPIHono, host: Host): void {
  app.openapi(DEFINE, async c => {
    const { workflow, name } = c.req.valid('param')
    const { agent, filter = {}, from, replace, after, wait_ms } = c.req.valid('json')
    const options = { ...filter, ...(from !== undefined && { from }), ...(replace && { replace }) }
    const asked = { workflow, agent, after, wait_ms }
    const { body, session } = await committing(host, c, asked, async (handle, { timeout_ms }) => {
      const subscription = await handle.subscribe(name, { ...definedOf(options), timeout_ms })
      return subscription.status
    })
    return c.json({ ...body, session }, 200)
  })

  app.openapi(READ, async c => {
    const { workflow, name } = c.req.valid('param')
    const asked = { workflow, ...c.req.valid('query') }
    const { body, session } = await onBranch(host, c, asked, handle => handle.subscription(name).status)
    return c.json({ ...body, session }, 200)
  })
}
