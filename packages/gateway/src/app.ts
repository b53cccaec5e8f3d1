import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { isWeftError, reasonOf, WeftError } from '@weft/core'
import { problemResponse } from '@weft/peer/http-parts'
import { HTTPException } from 'hono/http-exception'
import type { Host } from './asking.js'
import { routeBranches } from './route-branches.js'
import { routeChange } from './route-change.js'
import { routeClaims } from './route-claims.js'
import { routeLog } from './route-log.js'
import { routeMerges } from './route-merges.js'
import { routeOverlays } from './route-overlays.js'
import { routeResolutions } from './route-resolutions.js'
import { routeState } from './route-state.js'
import { routeSubscriptions } from './route-subscriptions.js'
import { routeWindow } from './route-window.js'

export const DOCUMENT_PATH = '/v1/openapi.json'

const ABOUT = `Contexts of AI agents over HTTP: read, write, fork and merge, claim, publish.

A token says which tenant this is about; no path can. An answer about a context carries a session, in its body and in
the header Weft-Session: pass it as \`after\`, or as the header Weft-After, to any gateway of the tenant, and what it answers
shows at least as much. A read without one fails; what was written is told as written, with null for a session that the peer did
not give in time. What is refused changes nothing, and comes as problem details (RFC 9457) with a stable \`code\`, the
cause and the cure. Feeds of a context as CloudEvents over server-sent events are at GET /feed/<workflow> of the peer, its
webhooks at /webhooks; the same token is good for them.`

const DOCUMENT = createRoute({
  method: 'get',
  path: DOCUMENT_PATH,
  operationId: 'readDocument',
  summary: 'This document. It takes no token.',
  responses: {
    200: {
      description: 'OpenAPI 3.1.',
      content: { 'application/json': { schema: z.record(z.string(), z.unknown()) } },
    },
  },
})

/** All routes, and the document that is made of the very schemas that requests are held against. */
export function buildApp(host: Host): OpenAPIHono {
  const app = new OpenAPIHono({ defaultHook: checked })
  for (const route of [
    routeState,
    routeLog,
    routeWindow,
    routeChange,
    routeBranches,
    routeMerges,
    routeResolutions,
    routeSubscriptions,
    routeClaims,
    routeOverlays,
  ]) {
    route(app, host)
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A token as `weft token` makes it: tenant, scopes, a pattern of workflows, an expiry',
  })
  // Made when it is first read: it takes longer than all else that is made here.
  let document: object | undefined
  app.openapi(DOCUMENT, c => {
    document ??= makeDocument(app)
    return c.json(document, 200)
  })
  app.onError(error => {
    const coded = codedOf(error)
    if (!isWeftError(coded)) host.onDefect(coded)
    return problemResponse(coded)
  })
  app.notFound(() => problemResponse(nothingHere()))
  return app
}

function makeDocument(app: OpenAPIHono): object {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Weft', version: '1', description: ABOUT, license: { name: 'Apache-2.0' } },
    servers: [{ url: '/' }],
  })
}

interface Validated {
  readonly success: boolean
  readonly target: string
  readonly error?: { readonly issues: readonly Issue[] }
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** How much of what is wrong with a request is told. */
const ISSUES_MAX = 16

/** @throws WEFT_REQUEST_MALFORMED */
function checked({ success, target, error }: Validated): void {
  if (success) return
  const issues = (error?.issues ?? []).slice(0, ISSUES_MAX).map(({ path, message }) => ({
    pointer: path.map(key => `/${String(key)}`).join(''),
    message,
  }))
  const first = issues[0]
  throw new WeftError(
    'WEFT_REQUEST_MALFORMED',
    `the ${PARTS[target] ?? target} is not what it must be: ${first?.pointer ? `${first.pointer}: ` : ''}${first?.message ?? ''}`,
    `see ${DOCUMENT_PATH}; nothing was changed`,
    { in: target, issues },
  )
}

const PARTS: Readonly<Record<string, string>> = { json: 'body', param: 'path' }

/** What was thrown, with its code; what the libraries below refuse has none yet. */
export function codedOf(thrown: unknown): unknown {
  if (thrown instanceof HTTPException && thrown.status === 415) {
    return new WeftError(
      'WEFT_REQUEST_TYPE',
      'the body is said to be something other than JSON, or not said to be anything',
      'send it as JSON, with the header Content-Type: application/json',
    )
  }
  if (thrown instanceof HTTPException) return malformed(thrown)
  // A host, or a target, of which no URL can be made.
  if (thrown instanceof Error && thrown.name === 'RequestError') return malformed(thrown)
  return thrown
}

function malformed(thrown: Error): WeftError {
  return new WeftError(
    'WEFT_REQUEST_MALFORMED',
    `the request cannot be read: ${reasonOf(thrown)}`,
    `send JSON, as ${DOCUMENT_PATH} has it; nothing was changed`,
  )
}

function nothingHere(): WeftError {
  return new WeftError(
    'WEFT_REQUEST_UNKNOWN',
    'there is nothing at this path, or not with this method',
    `see ${DOCUMENT_PATH}`,
  )
}
