import { hash, randomFillSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, hashFromLatin1, type Random, type Store, type Transport, WeftError } from '@weft/core'
import { WIRE_LIMITS } from '@weft/protocol'
import { isScratchPath, type ScratchRelay } from '@weft/scratch'
import { type Logger, pino } from 'pino'
import { type ServerOptions, WebSocketServer } from 'ws'
import { DEFAULT_AUDIENCE, DEFAULT_PORT } from './base/defaults.js'
import { DEFAULT_LIMITS, type PeerLimits } from './base/limits.js'
import { Patience } from './base/patience.js'
import { type PeerMetrics, peerMetrics } from './base/peer-metrics.js'
import { SessionTokens } from './tokens/session-tokens.js'
import { type TokenKey, type TokenVerifier, tokenVerifier } from './tokens/token.js'
import type { TrialAnswer, TrialQuestion } from './trials/state-trial.js'
import { sharedLanes, type TrialLanes } from './trials/trial-lanes.js'
import { type Closer, closerOf } from './http/close-server.js'
import { Feeds } from './http/feeds.js'
import { gatewayDoor } from './http/gateway-door.js'
import { httpApi } from './http/http-api.js'
import { httpDoor } from './http/http-door.js'
import { listenError } from './http/listen-error.js'
import { isForWebSocket, OFFERS, serveAsPlain } from './http/plain-request.js'
import { closeQueued } from './http/queued-responses.js'
import { scratchDoor } from './http/scratch-door.js'
import { checkWebhooks, type WebhookConfig } from './http/webhook-config.js'
import { Webhooks } from './http/webhooks.js'
import { PeerService } from './service.js'

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
  /**
   * The loopback port of a gateway, which `/v1` is forwarded to: a peer looks into no context itself. Rejects while there
   * is none; asked at every request. Close the gateway before the peer, so that what it has begun is ended.
   */
  readonly gateway?: () => Promise<number>
  /** Where contexts are delivered to. */
  readonly webhooks?: readonly WebhookConfig[]
  readonly logger?: Logger
}

export interface DrainReport {
  /** Changes that were received and could not be written, so never acknowledged. */
  readonly unacked: number
  /**
   * The disk did not answer in time, and is waited for no longer: what it was asked to write may yet be on it, and the store is
   * not closed. Whoever ends the process has to do so without waiting for its threads.
   */
  readonly stuck?: true
}

export interface Peer {
  /** `ws://host:port` */
  readonly url: string
  readonly port: number
  /** Takes no new work, writes what was taken, sends the acks, closes everything; a disk that hangs is left. */
  drain(): Promise<DrainReport>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => Math.floor(performance.now()),
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
  readonly #closer: Closer
  readonly #sockets: WebSocketServer
  readonly #scratch: ScratchRelay
  readonly #service: PeerService
  readonly #feeds: Feeds
  readonly #webhooks: Webhooks
  readonly #trial: TrialLanes
  #draining: Promise<DrainReport> | undefined

  constructor(
    private readonly options: PeerOptions,
    verify: TokenVerifier,
  ) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { key, sessionSecret } = options
    const sessions = new SessionTokens(sessionSecret ?? (key.kind === 'secret' ? key.secret : undefined))
    this.#log = options.logger ?? pino({ level: 'silent' })
    this.#webhooks = new Webhooks(checkWebhooks(options.webhooks ?? []), {
      limits: this.#limits,
      clock: systemClock,
      hash: sha256,
      dice: Math.random,
      log: this.#log,
    })
    this.#metrics = peerMetrics({
      connections: () => this.#service.connections,
      contexts: () => this.#service.openContexts,
      quarantined: () => this.#service.quarantined,
      pageBytes: () => this.#service.pageBytes,
      feeds: () => this.#feeds.size,
      parked: () => this.#webhooks.parkedCount,
      ready: () => this.#service.ready,
      oldestWrite_ms: () => this.#service.oldestWrite_ms,
      scratch: () => this.#scratch,
    })
    const { trial_ms, trial_bytes_max, trial_memory_bytes_max } = this.#limits
    this.#trial = sharedLanes(
      {
        answer_ms: trial_ms,
        documents_bytes_max: trial_bytes_max,
        memory_bytes_max: trial_memory_bytes_max,
      },
      systemClock,
    )
    this.#service = new PeerService(
      {
        openStore: options.openStore,
        verify,
        sessions,
        limits: this.#limits,
        metrics: this.#metrics,
        log: this.#log,
        clock: systemClock,
        soon: fn => void setImmediate(fn),
        hash: sha256,
        random: fillRandom,
        trial: { ask: (tenant, question) => this.#ask(tenant, question) },
      },
      {
        opened: (contexts, store) => void this.#webhooks.begin(contexts, store),
        advanced: (tenant, workflow) => this.#webhooks.advanced(tenant, workflow),
        letGo: (tenant, workflow) => this.#webhooks.letGo(tenant, workflow),
        dropped: tenant => this.#webhooks.forget(tenant),
        failed: error => {
          this.#feeds.end(error)
          void this.#webhooks.stop(error)
        },
      },
    )
    const host = {
      verify: (token: string) => this.#service.verify(token),
      grants: this.#service.grants,
      metrics: this.#metrics,
      clock: systemClock,
      log: this.#log,
    }
    this.#feeds = new Feeds({
      ...host,
      contexts: () => this.#service.contexts,
      limits: this.#limits,
      hash: sha256,
    })
    this.#scratch = scratchDoor(host, this.#limits.scratch)
    const api = httpApi({
      ...host,
      contexts: () => this.#service.contexts,
      drop: tenant => this.#service.drop(tenant),
      hash: sha256,
      feeds: this.#feeds,
      webhooks: this.#webhooks,
    })
    const { gateway } = options
    const door = {
      ready: () => this.#service.ready,
      metrics: () => this.#metrics.render(),
      api,
      ...(gateway && { gateway: gatewayDoor(gateway) }),
    }
    this.#server = createServer(OFFERS, httpDoor(door))
    this.#closer = closerOf(this.#server)
    const whenAnswered = closeQueued(this.#server)
    // `maxFragments` is newer than the types of ws.
    const bounds: ServerOptions & { maxFragments: number } = {
      noServer: true,
      maxPayload: WIRE_LIMITS.frame_bytes_max,
      perMessageDeflate: false,
      maxFragments: 64,
    }
    this.#sockets = new WebSocketServer(bounds)
    this.#server.on('upgrade', (request, socket, head) => {
      if (!isForWebSocket(request)) serveAsPlain(this.#server, request, head, whenAnswered)
      else if (isScratchPath(request.url)) this.#scratch.upgrade(request, socket, head)
      else this.#sockets.handleUpgrade(request, socket, head, open => this.#service.accept(open as Transport))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    const { host = '127.0.0.1' } = this.options
    return `ws://${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  async start(): Promise<void> {
    await this.#trial.ready()
    await this.#service.start()
    try {
      await this.#listen()
    } catch (error) {
      await this.#webhooks.stop(draining())
      await this.#service.close()
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

  async #ask(tenant: string, question: TrialQuestion): Promise<TrialAnswer> {
    try {
      return await this.#trial.ask(tenant, question)
    } catch (error) {
      this.#log.error({ tenant, err: error }, 'a trial of state changes came to no end')
      throw error
    }
  }

  async #listen(): Promise<void> {
    const { host = '127.0.0.1', port = DEFAULT_PORT } = this.options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(listenError(error, host, port)))
      this.#server.listen(port, host, resolve)
    })
  }

  async #drain(): Promise<DrainReport> {
    this.#service.pause()
    this.#scratch.close(draining())
    const disk = new Patience(this.#limits.drain_write_ms)
    await disk.for(this.#webhooks.stop(draining()))
    const unacked = await this.#service.drain(draining(), disk)
    disk.end()
    this.#feeds.end(draining())
    await this.#closeSockets()
    const isClosed = await this.#closeStore(!disk.isOver)
    if (isClosed) this.#log.info({ unacked }, 'drained')
    else this.#log.error({ unacked }, 'not drained: the disk does not answer')
    return isClosed ? { unacked } : { unacked, stuck: true }
  }

  /** @param answers whether the disk did so until now: one that hangs has been waited for @returns whether it is closed */
  async #closeStore(answers: boolean): Promise<boolean> {
    const closing = this.#service.close()
    if (!answers) return false
    const disk = new Patience(this.#limits.drain_write_ms)
    await disk.for(closing)
    disk.end()
    return !disk.isOver
  }

  async #closeSockets(): Promise<void> {
    const deadline = setTimeout(() => {
      this.#service.terminate()
      this.#scratch.terminate()
      this.#closer.cut()
    }, this.#limits.drain_ms)
    this.#sockets.close()
    await this.#closer.close()
    clearTimeout(deadline)
  }
}

const fillRandom: Random = (target, at, length) => void randomFillSync(target, at, length)

const sha256 = hashFromLatin1(bytes => hash('sha256', bytes, 'binary'))

function draining(): WeftError {
  return new WeftError(
    'WEFT_DRAINING',
    'the peer is shutting down',
    'connect again in a moment; nothing acknowledged is lost',
  )
}
