import type { RequestListener } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import {
  type Clock,
  checkFilter,
  type Filter,
  type Hash,
  OVERLAY_WORKFLOW,
  type Position,
  reasonOf,
  WeftError,
} from '@weft/core'
import { type Context, Hono } from 'hono'
import type { Logger } from 'pino'
import { checkAdmin, checkPattern, checkReader, checkWriter, isAbout } from '../tokens/rights.js'
import type { TokenVerifier } from '../tokens/token.js'
import { listContexts } from '../tenants/context-list.js'
import type { Contexts } from '../tenants/contexts.js'
import type { DroppedTenant } from '../tenants/drop.js'
import { runRetention } from '../tenants/retention.js'
import type { Feeds } from './feeds.js'
import { problemResponse } from './problem.js'
import type { Webhooks } from './webhooks.js'

export interface HttpApiHost {
  readonly verify: TokenVerifier
  readonly contexts: () => Contexts
  readonly drop: (tenant: string) => Promise<DroppedTenant>
  readonly log: Logger
  readonly clock: Clock
  readonly hash: Hash
  readonly feeds: Feeds
  readonly webhooks: Webhooks
}

const EVENT_STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // When a feed ends, so does its connection: nothing then keeps a drain waiting.
  connection: 'close',
  // For proxies that would gather what has to be told at once.
  'x-accel-buffering': 'no',
}

/** What needs a token, over HTTP. Every refusal is a problem (RFC 9457). */
export function httpApi(host: HttpApiHost): RequestListener {
  const { verify, feeds, webhooks } = host
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.get('/feed/:workflow', async context => {
    const grant = await verify(tokenOf(context))
    const stream = await feeds.open({
      grant,
      workflow: context.req.param('workflow'),
      from: fromOf(context),
      filter: filterOf(context),
      // And not the answer alone: one that waits behind another has no connection yet that would end with it.
      cut: () => context.env.incoming.socket.destroy(),
    })
    if (context.req.method !== 'HEAD') return new Response(stream, { headers: EVENT_STREAM })
    // Nobody would read it, or end it.
    await stream.cancel()
    return new Response(null, { headers: EVENT_STREAM })
  })
  app.get('/webhooks', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    return Response.json(webhooks.list(grant.tenant).filter(({ workflow }) => isAbout(grant, workflow)))
  })
  app.post('/webhooks/:name/:workflow/resume', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    const { name, workflow } = context.req.param()
    checkPattern(grant, workflow)
    webhooks.resume(grant.tenant, name, workflow)
    return new Response(null, { status: 204 })
  })
  app.get('/contexts', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    checkReader(grant, OVERLAY_WORKFLOW)
    checkWriter(grant, OVERLAY_WORKFLOW)
    const { tenant, contexts, damaged } = await listContexts(host.contexts().storeOf(grant.tenant))
    const told = contexts.map(({ runningHash, ...head }) => ({ ...head, running_hash: runningHash }))
    return Response.json({ tenant, contexts: told, damaged })
  })
  app.get('/usage', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    checkWriter(grant, OVERLAY_WORKFLOW)
    return Response.json({ tenant: grant.tenant, ...(await host.contexts().standing(grant.tenant)) })
  })
  app.post('/retention', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    checkWriter(grant, OVERLAY_WORKFLOW)
    const dry_run = flagIn('dry_run', context.req.query('dry_run'))
    const run = { dry_run, now_ms: host.clock.now(), hash: host.hash }
    return Response.json(await runRetention(host.contexts(), grant.tenant, run))
  })
  app.post('/drop', async context => {
    const grant = await verify(tokenOf(context))
    checkAdmin(grant)
    checkWriter(grant, OVERLAY_WORKFLOW)
    const { tenant } = grant
    checkMeant(tenant, context.req.query('tenant'))
    const dropped = await host.drop(tenant)
    host.log.warn({ ...dropped, subject: grant.subject }, 'a tenant was dropped')
    return Response.json(dropped)
  })
  app.onError(problemResponse)
  app.notFound(() => problemResponse(nothingHere()))
  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: error => problemResponse(readingError(error)),
  })
}

/** What was thrown, with a code where no URL can be made of a host or a target. */
function readingError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown.name !== 'RequestError') return thrown
  return new WeftError(
    'WEFT_REQUEST_MALFORMED',
    `the request cannot be read: ${reasonOf(thrown)}`,
    'ask for a path, and name in the header Host the host that you ask',
  )
}

/** A browser's EventSource sets no headers: then the token is in the query. */
function tokenOf({ req }: Context): string {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(req.header('authorization') ?? '') ?? []
  return bearer ?? req.query('access_token') ?? ''
}

/** The position behind the last that a reader has seen, or the one it asks for; else the first. @throws WEFT_USAGE */
function fromOf({ req }: Context): Position {
  const last = req.header('last-event-id')
  if (last !== undefined) return positionIn('Last-Event-ID', last) + 1
  return positionIn('from', req.query('from') ?? '1')
}

function positionIn(name: string, text: string): Position {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new WeftError(
    'WEFT_USAGE',
    `${name} is not a position: ${JSON.stringify(text.slice(0, 40))}`,
    'pass a whole number from 1',
  )
}

/** @throws WEFT_USAGE */
function flagIn(name: string, text = 'false'): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new WeftError(
    'WEFT_USAGE',
    `${name} is neither true nor false: ${JSON.stringify(text.slice(0, 40))}`,
    'pass true or false',
  )
}

/** Whoever has a token of another tenant at hand than they think must not lose that one. @throws WEFT_USAGE */
function checkMeant(tenant: string, named = ''): void {
  if (named === tenant) return
  throw new WeftError(
    'WEFT_USAGE',
    `the token is of tenant ${tenant}, and ${JSON.stringify(named.slice(0, 40))} is to be dropped`,
    'name the tenant of the token: POST /drop?tenant=<tenant>',
  )
}

/** @throws WEFT_FILTER_INVALID */
function filterOf({ req }: Context): Filter {
  const { ref, kind, branch } = req.queries() as Partial<Record<string, string[]>>
  return checkFilter({
    ...(ref && { refs: ref }),
    ...(kind && { kinds: kind }),
    ...(branch && { branches: branch }),
  })
}

function nothingHere(): WeftError {
  return new WeftError(
    'WEFT_REQUEST_UNKNOWN',
    'there is nothing at this path, or not with this method',
    'use GET /feed/<workflow>, GET /contexts, GET /usage, GET /webhooks, POST /webhooks/<name>/<workflow>/resume, POST /retention, or POST /drop?tenant=<tenant>',
  )
}
