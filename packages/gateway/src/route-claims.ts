import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { isWeftError, WeftError } from '@weft/core'
import type { Claim, ClaimOptions, Subscription, WaitOptions } from '@weft/replica'
import { committing, type Host, onBranch } from './asking.js'
import { branchName, changeId, entryId, id, json, pointer, position, session, time } from './fields.js'
import {
  AFTER_HEADER,
  answers,
  inSubscription,
  NO_CONTENT,
  problems,
  SECURITY,
  takes,
  waiting,
} from './route-parts.js'

const CLAIMS = '/v1/contexts/{workflow}/subscriptions/{name}/claims' as const
const inClaim = inSubscription.extend({
  claim: z.string().openapi({ description: 'the id as the claim gave it', example: '7.41' }),
})

/** Long enough for a client that has no thread to spare for renewing. */
const TTL_MS = 30_000
const RELEASE_MS = 2_000

const EVENT = z
  .object({
    position,
    change: changeId,
    branch: branchName,
    agent: id,
    time,
    kinds: z.array(id).readonly(),
    entries: z
      .array(z.object({ id: entryId, kind: id, value: json, erased: z.literal(true).optional() }))
      .readonly(),
    pointers: z.array(pointer).readonly(),
    writes: z.array(z.string()).readonly(),
    forks: z.array(branchName).readonly(),
    merges: z.array(branchName).readonly(),
    abandons: z.array(branchName).readonly(),
    erases: z.array(changeId).readonly().openapi({ description: 'changes whose content it erases' }),
    step: z.string().optional(),
    reason: z.string().optional(),
  })
  .openapi('Event', { description: 'What happened at a position: one change' })

const CLAIMED = z
  .object({
    id: z.string().openapi({ description: 'names it to any gateway of the peer, until it is over' }),
    epoch: z.int(),
    from: position,
    to: position,
    ttl_ms: z.int().openapi({ description: 'for how long it holds, if it is not renewed' }),
    events: z.array(EVENT).readonly(),
    session,
  })
  .openapi('Claim', { description: 'A range of what happened that nobody else is given meanwhile' })

const CLAIM_REQUEST = z
  .strictObject({
    agent: id,
    max: z.int().min(1).optional().openapi({ description: 'events, at most; default 64' }),
    ttl_ms: z
      .int()
      .optional()
      .openapi({ description: `default ${TTL_MS}; at most an hour` }),
    ...waiting,
  })
  .openapi('ClaimRequest')

const CLAIM = createRoute({
  method: 'post',
  path: CLAIMS,
  operationId: 'claimEvents',
  summary: 'Claims what comes next of a subscription (WAK-1); nobody renews it but who claims it.',
  security: SECURITY,
  request: {
    params: inSubscription,
    headers: AFTER_HEADER,
    body: takes(CLAIM_REQUEST),
  },
  responses: {
    200: answers('The claim.', CLAIMED),
    204: { description: 'There was nothing in time, or others had it.', ...NO_CONTENT },
    ...problems(404, 413, 415, 429),
  },
})

const body = takes(z.strictObject({ agent: id, ...waiting }).openapi('Claimant'))

const ACK = createRoute({
  method: 'post',
  path: `${CLAIMS}/{claim}/ack`,
  operationId: 'acknowledgeClaim',
  summary: 'All of a claim has been handled: nobody is given it again. To say it again is harmless.',
  security: SECURITY,
  request: { params: inClaim, headers: AFTER_HEADER, body },
  responses: {
    204: { description: 'It is acknowledged, durably.', ...NO_CONTENT },
    ...problems(404, 409, 415, 429),
  },
})

const RENEW = createRoute({
  method: 'post',
  path: `${CLAIMS}/{claim}/renew`,
  operationId: 'renewClaim',
  summary: 'Has a claim hold its whole time from now.',
  security: SECURITY,
  request: { params: inClaim, headers: AFTER_HEADER, body },
  responses: {
    200: answers('It holds.', z.object({ ttl_ms: z.int(), session }).openapi('Renewed')),
    ...problems(404, 409, 415, 429),
  },
})

const RELEASE = createRoute({
  method: 'delete',
  path: `${CLAIMS}/{claim}`,
  operationId: 'releaseClaim',
  summary: 'Gives a claim back unhandled: the next one to claim is given it.',
  security: SECURITY,
  request: { params: inClaim, headers: AFTER_HEADER, query: z.strictObject({ agent: id }) },
  responses: { 204: { description: 'It is over.', ...NO_CONTENT }, ...problems(404, 409, 429) },
})

export function routeClaims(app: OpenAPIHono, host: Host): void {
  app.openapi(CLAIM, async c => {
    const { workflow, name } = c.req.valid('param')
    const { agent, max, ttl_ms = TTL_MS, after, wait_ms = host.limits.wait_ms } = c.req.valid('json')
    const options = { ttl_ms, renew: false, ...(max !== undefined && { max }) }
    const asked = { workflow, agent, after, wait_ms }
    let claim: Claim | undefined
    try {
      const { session } = await onBranch(host, c, asked, async (handle, { signal }) => {
        const wait = { signal, timeout_ms: Math.max(1, wait_ms) }
        claim = await claimFrom(handle.subscription(name), { ...options, ...wait })
      })
      if (claim === undefined) return c.body(null, 204)
      if (c.req.raw.signal.aborted) throw gone()
      const { id, epoch, from, to, events } = claim
      return c.json({ id, epoch, from, to, ttl_ms: claim.ttl_ms, events, session }, 200)
    } catch (error) {
      // Who asked for it will not hear of it, and would let it run out.
      await claim?.release({ timeout_ms: RELEASE_MS }).catch(() => {})
      throw error
    }
  })

  app.openapi(ACK, async c => {
    const { workflow, name, claim } = c.req.valid('param')
    const asked = { workflow, ...c.req.valid('json') }
    await committing(host, c, asked, (handle, { timeout_ms }) =>
      handle.subscription(name).carried(claim).ack({ timeout_ms }),
    )
    return c.body(null, 204)
  })

  app.openapi(RENEW, async c => {
    const { workflow, name, claim } = c.req.valid('param')
    const asked = { workflow, ...c.req.valid('json') }
    const { body: ttl_ms, session } = await committing(host, c, asked, (handle, wait) =>
      handle.subscription(name).carried(claim).renew(wait),
    )
    return c.json({ ttl_ms, session }, 200)
  })

  app.openapi(RELEASE, async c => {
    const { workflow, name, claim } = c.req.valid('param')
    const asked = { workflow, ...c.req.valid('query') }
    await committing(host, c, asked, (handle, { timeout_ms }) =>
      handle.subscription(name).carried(claim).release({ timeout_ms }),
    )
    return c.body(null, 204)
  })
}

function gone(): WeftError {
  return new WeftError('WEFT_ABORTED', 'who claims is gone', 'claim again: this one was given back')
}

/** Undefined when nothing came in time, or others had it. */
async function claimFrom(
  subscription: Subscription,
  options: ClaimOptions & WaitOptions,
): Promise<Claim | undefined> {
  try {
    return await subscription.claim(options)
  } catch (error) {
    if (isWeftError(error) && (error.code === 'WEFT_NOT_SYNCED' || error.code === 'WEFT_LEASE_HELD'))
      return undefined
    throw error
  }
}
