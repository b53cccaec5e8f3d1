import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

export interface HttpDoorHost {
  readonly ready: () => boolean
  readonly metrics: () => string
  /** Answers what needs a token. */
  readonly api: RequestListener
  /** Answers what has to look into a context. */
  readonly gateway?: RequestListener
}

const API = /^\/(feed|contexts|usage|webhooks|retention|drop)(\/|$)/
const GATEWAY = /^\/v1(\/|$)/

/** `/livez`, `/readyz` and `/metrics`: what an orchestrator and a scraper ask. Nothing of any tenant is told. */
export function httpDoor({ ready, metrics, api, gateway }: HttpDoorHost): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    request.url = originForm(request.url ?? '/')
    const path = request.url.split('?', 1)[0]
    if (API.test(path!)) {
      api(request, response)
    } else if (gateway && GATEWAY.test(path!)) {
      gateway(request, response)
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      reply(response, 405, 'method not allowed: use GET\n')
    } else if (path === '/livez') {
      reply(response, 200, 'ok\n')
    } else if (path === '/readyz') {
      reply(
        response,
        ready() ? 200 : 503,
        ready() ? 'ready\n' : 'not ready: draining, or the store is being opened\n',
      )
    } else if (path === '/metrics') {
      reply(response, 200, metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    } else {
      reply(
        response,
        404,
        `there is /livez, /readyz, /metrics, /feed/<workflow>, /contexts, /usage, /webhooks, /retention, /drop` +
          `${gateway ? ', /v1/openapi.json' : ''} here, and the websocket at /\n`,
      )
    }
  }
}

/**
 * The target as a path, also when it came as a whole URL, which every server has to take (RFC 9112, 3.2.2). Not parsed as
 * one: that throws for some of what a stranger may send.
 */
function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '')
  return path === target || path.startsWith('/') ? path : `/${path}`
}

function reply(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
