import { randomBytes } from 'node:crypto'
import { type ErrorCode, reasonOf, WeftError } from '@weft/core'
import { adviceOf, CLOSE_CODES } from '@weft/protocol'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import type { Doc } from 'yjs'
import { credentials, scratchId } from './address.js'

/** What sharing needs; asked for only when a step shares. */
export interface ScratchLink {
  /** The peer's address: `ws://host:port`. */
  readonly url: string
  readonly token: () => string | Promise<string>
  readonly workflow: string
}

export interface ScratchAddress {
  /** What a stock `WebsocketProvider` takes first: `ws://host:port/scratch/<workflow>`. */
  readonly server: string
  /** What it takes second, the name of the room. */
  readonly room: string
  /** Both in one. */
  readonly url: string
}

export interface ShareOptions {
  /** How long to wait for the peer; default 10,000. */
  readonly timeout_ms?: number
}

const TIMEOUT_MS = 10_000
const TOKEN_ATTEMPTS_MAX = 5

/** A scratch document on its way to whoever watches: y-websocket's provider, with tokens, and an end. */
export class Share {
  readonly address: ScratchAddress
  readonly #ownerKey = randomBytes(16).toString('hex')
  readonly #provider: WebsocketProvider
  readonly #ready: Promise<ScratchAddress>
  #fail!: (error: WeftError) => void
  #tokens = 0
  #failure: WeftError | undefined

  constructor(
    doc: Doc,
    private readonly link: ScratchLink,
  ) {
    const room = scratchId(this.#ownerKey)
    const server = `${link.url.replace(/\/+$/, '')}/scratch/${link.workflow}`
    this.address = { server, room, url: `${server}/${room}` }
    this.#provider = new WebsocketProvider(server, room, doc, {
      connect: false,
      // Node's channel between threads knows no tenants.
      disableBc: true,
      WebSocketPolyfill: ScratchSocket as unknown as typeof globalThis.WebSocket,
    })
    // One listener a scratch, for ever, would be too many: the peer sees for itself that a process is gone.
    process.off('exit', this.#provider._exitHandler)
    this.#ready = new Promise((resolve, reject) => {
      this.#fail = reject
      this.#provider.on('sync', synced => {
        if (!synced) return
        this.#tokens = 0
        resolve(this.address)
      })
    })
    this.#ready.catch(() => {})
    this.#provider.on('closed', ({ code, reason }) => this.#refused(code, reason))
    void this.#connect()
  }

  /** Why it is not shared any more, once that is so. */
  get failure(): WeftError | undefined {
    return this.#failure
  }

  /** Resolves when the peer has the document. @throws as `Scratch.share` */
  async ready({ timeout_ms = TIMEOUT_MS }: ShareOptions): Promise<ScratchAddress> {
    if (this.#failure) throw this.#failure
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(unreachable(this.link.url)), timeout_ms)
    })
    return Promise.race([this.#ready, late]).finally(() => clearTimeout(timer))
  }

  /** The peer takes a normal close by its owner for the end of a scratch, and any other for a broken connection. */
  end(error: WeftError): void {
    if (this.#failure) return
    this.#failure = error
    this.#fail(error)
    this.#provider.ws?.close(CLOSE_CODES.normal)
    this.#provider.destroy()
  }

  async #connect(): Promise<void> {
    try {
      this.#tokens++
      const token = await this.link.token()
      if (this.#failure) return
      this.#provider.protocols = credentials(token, this.#ownerKey)
      this.#provider.connect()
    } catch (error) {
      this.end(noToken(error))
    }
  }

  #refused(code: number, reason: string): void {
    if (adviceOf(code) === 'new-token' && this.#tokens < TOKEN_ATTEMPTS_MAX) void this.#connect()
    else
      this.end(new WeftError(reason as ErrorCode, `the peer refused the scratch: ${reason}`, 'see the code'))
  }
}

class ScratchSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false })
  }
}

function unreachable(url: string): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    'the peer did not take the scratch in time',
    'check that the peer is up; the scratch is usable as it is, and sharing goes on being tried',
    { url },
  )
}

function noToken(cause: unknown): WeftError {
  return new WeftError(
    'WEFT_TOKEN_MISSING',
    `the token source failed: ${reasonOf(cause)}`,
    'look for the cause where tokens are made; the scratch stays local',
    {},
    { cause },
  )
}
