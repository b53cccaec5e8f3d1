import { hash, randomFillSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, hashFromLatin1, type Random, type Store, WeftError } from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { isScratchPath, type ScratchRelay } from '@weft/scratch'
import { type Logger, pino } from 'pino'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { Connection, type ConnectionHost } from './connection.js'
import { Contexts } from './contexts.js'
import { Feeds } from './feeds.js'
import { httpApi } from './http-api.js'
import { httpDoor } from './http-door.js'
import { DEFAULT_LIMITS, type PeerLimits } from './limits.js'
import { type PeerMetrics, peerMetrics } from './peer-metrics.js'
import { scratchDoor } from './scratch-door.js'
import { SessionTokens } from './session-tokens.js'
import { DEFAULT_AUDIENCE, type TokenKey, type TokenVerifier, tokenVerifier } from './token.js'
import { checkWebhooks, type WebhookConfig } from './webhook-config.js'
import { Webhooks } from './webhooks.js'

export interface PeerOptions {
  /** Opens the store; called again after a failed write, when the outcome has to be found out (DUR-3). */
  readonly openStore: () => Promise<Store>
  readonly key: TokenKey
  readonly audience?: string
  /** What session tokens are signed with; default: the secret of `key`. All peers on one store share it. */
  readonly sessionSecret?: string
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 7600; 0 takes a free one. */
  readonly port?: number
  readonly limits?: Partial<PeerLimits>
  /** Where contexts are delivered to. */
  readonly webhooks?: readonly WebhookConfig[]
  readonly logger?: Logger
}

export interface DrainReport {
  /** Changes that were received and could not be written, so never acknowledged. */
  readonly unacked: number
}

export interface Peer {
  /** `ws://host:port` */
  readonly url: string
  readonly port: number
  /** Takes no new work, writes what was taken, sends the acks, closes everything. */
  drain(): Promise<DrainReport>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export const DEFAULT_PORT = 7600
const REOPEN_MS = 250

const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms)
    timer.unref()
    // Of timers that were let go Node keeps the list of each duration until it is over, cancelled or not.
    return () => clearTimeout(timer.ref())
  },
}

/**
 * Starts a durable peer.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_FAILED · WEFT_PORT_IN_USE · WEFT_USAGE (the key, a webhook)
 */
export async function startPeer(options: PeerOptions): Promise<Peer> {
  const verify = await tokenVerifier(options.key, options.audience ?? DEFAULT_AUDIENCE)
  const peer = new PeerProcess(options, verify)
  await peer.start()
  return peer
}

class PeerProcess implements Peer {
  readonly #limits: PeerLimits
  readonly #log: Logger
  readonly #metrics: PeerMetrics
  readonly #server: Server
  readonly #sockets: WebSocketServer
  readonly #scratch: ScratchRelay
  readonly #connections = new Set<Connection>()
  readonly #sessions: SessionTokens
  readonly #feeds: Feeds
  readonly #webhooks: Webhooks
  #store: Store | undefined
  #contexts: Contexts | undefined
  #draining: Promise<DrainReport> | undefined
  #reopening: Promise<void> | undefined

  constructor(
    private readonly options: PeerOptions,
    private readonly verify: TokenVerifier,
  ) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { key, sessionSecret } = options
    this.#sessions = new SessionTokens(sessionSecret ?? (key.kind === 'secret' ? key.secret : undefined))
    this.#log = options.logger ?? pino({ level: 'silent' })
    this.#feeds = new Feeds({
      contexts: () => this.#openContexts(),
      limits: this.#limits,
      clock: systemClock,
      hash: sha256,
    })
    this.#webhooks = new Webhooks(checkWebhooks(options.webhooks ?? []), {
      limits: this.#limits,
      clock: systemClock,
      hash: sha256,
      dice: Math.random,
      log: this.#log,
    })
    this.#metrics = peerMetrics({
      connections: () => this.#connections.size,
      contexts: () => this.#contexts?.size ?? 0,
      quarantined: () => this.#contexts?.quarantined ?? 0,
      feeds: () => this.#feeds.size,
      parked: () => this.#webhooks.parkedCount,
      ready: () => this.#ready,
      scratch: () => this.#scratch,
    })
    const host = { verify, metrics: this.#metrics, clock: systemClock, log: this.#log }
    this.#scratch = scratchDoor(host, this.#limits.scratch)
    const api = httpApi({
      ...{ verify, clock: systemClock, hash: sha256, feeds: this.#feeds, webhooks: this.#webhooks },
      contexts: () => this.#openContexts(),
    })
    const door = { ready: () => this.#ready, metrics: () => this.#metrics.render(), api }
    this.#server = createServer(httpDoor(door))
    // `maxFragments` is newer than the types of ws.
    const bounds: ServerOptions & { maxFragments: number } = {
      noServer: true,
      maxPayload: WIRE_LIMITS.frame_bytes_max,
      perMessageDeflate: false,
      maxFragments: 64,
    }
    this.#sockets = new WebSocketServer(bounds)
    this.#server.on('upgrade', (request, socket, head) => {
      if (isScratchPath(request.url)) this.#scratch.upgrade(request, socket, head)
      else this.#sockets.handleUpgrade(request, socket, head, open => this.#accept(open))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    const { host = '127.0.0.1' } = this.options
    return `ws://${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  get #ready(): boolean {
    return this.#contexts !== undefined && this.#draining === undefined
  }

  async start(): Promise<void> {
    await this.#openStore()
    try {
      await this.#listen()
    } catch (error) {
      await this.#store?.close()
      throw error
    }
    this.#log.info({ url: this.url }, 'peer is up')
  }

  drain(): Promise<DrainReport> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  async close(): Promise<void> {
    await this.drain()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #openStore(): Promise<void> {
    this.#store = await this.options.openStore()
    const { idle_ms, overlay_lease_ms } = this.#limits
    const started_ms = systemClock.now()
    const host = { hash: sha256, random: fillRandom, clock: systemClock, started_ms, overlay_lease_ms }
    const contexts = new Contexts(this.#store, host, idle_ms, {
      committed: (changes, seconds) => {
        this.#metrics.committed(changes)
        this.#metrics.commitSeconds(seconds)
      },
      damaged: (tenant, workflow, error) => {
        this.#metrics.damaged()
        this.#log.error({ tenant, workflow, err: error }, 'context is damaged, and quarantined')
      },
      advanced: (tenant, workflow) => this.#webhooks.advanced(tenant, workflow),
      // Other writes to a store that failed may fail later, when the next one is open.
      failed: error => contexts === this.#contexts && this.#storeFailed(error),
    })
    this.#contexts = contexts
    void this.#webhooks.begin(contexts, this.#store)
  }

  /** @throws WEFT_STORE_FAILED */
  #openContexts(): Contexts {
    if (this.#contexts) return this.#contexts
    throw storeFailed()
  }

  async #listen(): Promise<void> {
    const { host = '127.0.0.1', port = DEFAULT_PORT } = this.options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(listenError(error as NodeJS.ErrnoException, host, port)))
      this.#server.listen(port, host, resolve)
    })
  }

  #accept(socket: WebSocket): void {
    // A socket that fails without a listener would end the process.
    socket.on('error', error => this.#log.debug({ err: error.message }, 'socket error'))
    const contexts = this.#contexts
    const host: ConnectionHost | undefined = contexts && {
      contexts,
      verify: this.verify,
      sessions: this.#sessions,
      limits: this.#limits,
      metrics: this.#metrics,
      clock: systemClock,
      hash: sha256,
      log: this.#log,
    }
    if (host === undefined || this.#draining || this.#connections.size >= this.#limits.connections_max) {
      socket.close(CLOSE_TRY_LATER, 'try again later')
      return
    }
    const connection = new Connection(socket, host)
    this.#connections.add(connection)
    socket.on('close', () => this.#connections.delete(connection))
  }

  /** What became of the write is unknown: everyone is sent away, the store opened anew, and asked (DUR-3). */
  #storeFailed(error: unknown): void {
    this.#contexts = undefined
    this.#metrics.storeFailures()
    this.#log.error({ err: error }, 'the store failed; opening it again')
    for (const connection of this.#connections) connection.fail(storeFailed())
    this.#feeds.end(storeFailed())
    void this.#webhooks.stop(storeFailed())
    this.#reopening = this.#reopen()
  }

  async #reopen(): Promise<void> {
    await this.#store?.close().catch(() => {})
    while (this.#contexts === undefined && this.#draining === undefined) {
      try {
        await this.#openStore()
        this.#log.info('the store is open again')
      } catch (again) {
        this.#log.error({ err: again }, 'the store cannot be opened')
        await new Promise(resolve => setTimeout(resolve, REOPEN_MS))
      }
    }
  }

  async #drain(): Promise<DrainReport> {
    this.#log.info({ connections: this.#connections.size }, 'draining')
    for (const connection of this.#connections) connection.pause()
    this.#scratch.close(draining())
    await this.#webhooks.stop(draining())
    const unacked = (await this.#contexts?.drain(draining())) ?? 0
    for (const connection of this.#connections) connection.fail(draining())
    this.#feeds.end(draining())
    await this.#closeSockets()
    await this.#reopening
    await this.#store
      ?.close()
      .catch(error => this.#log.error({ err: error }, 'the store did not close cleanly'))
    this.#log.info({ unacked }, 'drained')
    return { unacked }
  }

  async #closeSockets(): Promise<void> {
    const deadline = setTimeout(() => {
      for (const connection of this.#connections) connection.terminate()
      this.#scratch.terminate()
      this.#server.closeAllConnections()
    }, this.#limits.drain_ms)
    this.#sockets.close()
    await new Promise<void>(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
    clearTimeout(deadline)
  }
}

const CLOSE_TRY_LATER = 1013

const fillRandom: Random = (target, at, length) => void randomFillSync(target, at, length)

const sha256 = hashFromLatin1(bytes => hash('sha256', bytes, 'binary'))

function draining(): WeftError {
  return new WeftError(
    'WEFT_DRAINING',
    'the peer is shutting down',
    'connect again in a moment; nothing acknowledged is lost',
  )
}

function storeFailed(): WeftError {
  return new WeftError(
    'WEFT_STORE_FAILED',
    'a write to the store failed, and what became of it is not known yet',
    'connect again and offer the same changes: their ids make that harmless',
  )
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): WeftError {
  if (error.code === 'EADDRINUSE') {
    return new WeftError(
      'WEFT_PORT_IN_USE',
      `port ${port} on ${host} is in use`,
      'stop what listens there, or choose another port (0 takes a free one)',
      { port },
    )
  }
  return new WeftError(
    'WEFT_USAGE',
    `cannot listen on ${host}:${port}: ${error.message}`,
    'choose another host or port',
  )
}
