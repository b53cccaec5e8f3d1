import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { WeftError } from '@weft/core'
import {
  answerProblem,
  type Closer,
  closeQueued,
  closerOf,
  listenError,
  problemOf,
  problemResponse,
} from '@weft/peer/http-parts'
import { checkPeerUrl } from '@weft/replica'
import { buildApp, codedOf } from './app.js'
import { Bearers, tokenIn } from './bearer.js'
import { DEFAULT_GATEWAY_PORT } from './defaults.js'
import { DEFAULT_LIMITS, type GatewayLimits } from './limits.js'
import { NO_SCHEMAS, readSchemas } from './schemas.js'
import { Visits } from './visits.js'

export interface GatewayOptions {
  /** The peer's address: `ws://…` or `wss://…`. */
  readonly url: string
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 7601; 0 takes a free one. */
  readonly port?: number
  /** A module that exports the definitions that what is written is held against; by its absolute path. */
  readonly schemas?: string
  readonly limits?: Partial<GatewayLimits>
  /** Told of what goes wrong that has no code: a defect of Weft. */
  readonly onDefect?: (error: unknown) => void
}

export interface Gateway {
  /** `http://host:port` */
  readonly url: string
  readonly port: number
  /** Takes no new requests, ends those that wait, lets those that run come to their end, and closes its replicas. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How long a request may take to come in. */
const REQUEST_MS = 60_000

/**
 * Starts a gateway: Weft over HTTP, for those that embed no replica. It keeps one for each token that comes.
 * @throws WEFT_FILE_INVALID · WEFT_PORT_IN_USE · WEFT_USAGE
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  checkPeerUrl(options.url)
  const schemas = options.schemas === undefined ? NO_SCHEMAS : await readSchemas(options.schemas)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const bearers = new Bearers(options.url, limits)
  const visits = new Visits(limits)
  const closing = new AbortController()
  const { onDefect = () => {} } = options
  const app = buildApp({ bearers, visits, schemas, limits, closing: closing.signal, onDefect })
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: error => problemResponse(codedOf(error)),
  })
  const gateway = new GatewayServer(listener, { bearers, visits, limits, closing })
  await gateway.listen(options)
  return gateway
}

interface ServerHost {
  readonly bearers: Bearers
  readonly visits: Visits
  readonly limits: GatewayLimits
  readonly closing: AbortController
}

class GatewayServer implements Gateway {
  readonly #server: Server
  readonly #closer: Closer
  #closed: Promise<void> | undefined
  #host = ''

  constructor(
    private readonly listener: RequestListener,
    private readonly host: ServerHost,
  ) {
    this.#server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
      response.once('close', () => {
        if (this.host.closing.signal.aborted) this.#server.closeIdleConnections()
      })
      void this.#answer(request, response)
    })
    this.#closer = closerOf(this.#server)
    closeQueued(this.#server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.port}`
  }

  async listen({ host = '127.0.0.1', port = DEFAULT_GATEWAY_PORT }: GatewayOptions): Promise<void> {
    this.#host = host
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', error => reject(listenError(error, host, port)))
        this.#server.listen(port, host, resolve)
      })
    } catch (error) {
      await this.host.bearers.close()
      throw error
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.host.closing.abort(draining())
    const deadline = setTimeout(() => this.#closer.cut(), this.host.limits.drain_ms)
    await this.#closer.close()
    clearTimeout(deadline)
    await this.host.bearers.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (this.host.closing.signal.aborted) throw draining()
      const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
      // Where the listener looks for a body that has been read.
      if (hasBody) Object.assign(request, { rawBody: await this.#bodyOf(request, response) })
      this.listener(request, response)
    } catch (error) {
      answerProblem(request, response, problemOf(error))
    }
  }

  /** Nothing is read before the peer has said that the token is good. @throws as `tokenIn`, `Bearers.use` and `Visits.bodyOf` */
  async #bodyOf(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
    const { bearers, visits } = this.host
    const token = tokenIn(request.headers.authorization)
    return bearers.use(token, ({ tenant }) => visits.bodyOf(tenant, request, response))
  }
}

function draining(): WeftError {
  return new WeftError(
    'WEFT_DRAINING',
    'the gateway is shutting down',
    'try again in a moment; what was answered is durable',
  )
}
