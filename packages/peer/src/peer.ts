import { hash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, type Store, WeftError } from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { type Logger, pino } from 'pino'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { Connection, type ConnectionHost } from './connection.js'
import { Contexts } from './contexts.js'
import { httpDoor } from './http-door.js'
import { DEFAULT_LIMITS, type PeerLimits } from './limits.js'
import { type PeerMetrics, peerMetrics } from './peer-metrics.js'
import { SessionTokens } from './session-tokens.js'
import { DEFAULT_AUDIENCE, type TokenKey, type TokenVerifier, tokenVerifier } from './token.js'

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
    return () => clearTimeout(timer)
  },
}

/**
 * Starts a durable peer.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_FAILED · WEFT_PORT_IN_USE · WEFT_USAGE (the key)
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
  readonly #connections = new Set<Connection>()
  readonly #sessions: SessionTokens
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
    this.#metrics = peerMetrics({
      connections: () => this.#connections.size,
      contexts: () => this.#contexts?.size ?? 0,
      ready: () => this.#ready,
    })
    this.#server = createServer(httpDoor({ ready: () => this.#ready, metrics: () => this.#metrics.render() }))
    // `maxFragments` is newer than the types of ws.
    const bounds: ServerOptions & { maxFragments: number } = {
      server: this.#server,
      maxPayload: WIRE_LIMITS.frame_bytes_max,
      perMessageDeflate: false,
      maxFragments: 64,
    }
    this.#sockets = new WebSocketServer(bounds)
    // Without a listener a failing `listen` would reach us twice.
    this.#sockets.on('error', () => {})
    this.#sockets.on('connection', socket => this.#accept(socket))
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
    const host = { hash: sha256, clock: systemClock, started_ms: systemClock.now(), overlay_lease_ms }
    const contexts = new Contexts(this.#store, host, idle_ms, {
      committed: (changes, seconds) => {
        this.#metrics.committed(changes)
        this.#metrics.commitSeconds(seconds)
      },
      // Other writes to a store that failed may fail later, when the next one is open.
      failed: error => contexts === this.#contexts && this.#storeFailed(error),
    })
    this.#contexts = contexts
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
    const unacked = (await this.#contexts?.drain(draining())) ?? 0
    for (const connection of this.#connections) connection.fail(draining())
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

const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex')

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
