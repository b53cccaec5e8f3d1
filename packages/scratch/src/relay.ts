import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, isWeftError, WeftError } from '@weft/core'
import { CLOSE_CODES, closeCodeOf } from '@weft/protocol'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import { type Request, readRequest, SUBPROTOCOL, scratchId } from './address.js'
import { Budget } from './budget.js'
import { DEFAULT_SCRATCH_LIMITS, type ScratchLimits } from './limits.js'
import { malformed, notTheOwner, tooMany } from './refusals.js'
import { type Admission, RelayConnection } from './relay-connection.js'
import { Rooms } from './rooms.js'

export interface RelayHost {
  /** Verifies a token for a workflow. @throws WEFT_TOKEN_* · WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN */
  readonly admit: (token: string, workflow: string) => Promise<Admission>
  readonly clock: Clock
  /** Counts and logs why a connection was ended; what is passed names no credential. */
  readonly failed: (error: WeftError, tenant: string | undefined) => void
}

/**
 * Relays shared scratches between y-websocket clients, in memory only (TIR-1): the peer's door to them. The tenant of
 * a connection is that of its token, and rooms are looked up within it, so that no address reaches another's (TEN-1).
 */
export class ScratchRelay {
  readonly #limits: ScratchLimits
  readonly #budget: Budget
  readonly #sockets: WebSocketServer
  readonly #connected = new Set<WebSocket>()
  readonly #tenants = new Map<string, Rooms>()
  #refusal: WeftError | undefined

  constructor(
    private readonly host: RelayHost,
    limits: Partial<ScratchLimits> = {},
  ) {
    this.#limits = { ...DEFAULT_SCRATCH_LIMITS, ...limits }
    this.#budget = new Budget(this.#limits.bytes_max)
    // `maxFragments` is newer than the types of ws.
    const options: ServerOptions & { maxFragments: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#limits.message_bytes_max,
      maxFragments: 64,
      WebSocket: RelaySocket,
      handleProtocols: offered => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    }
    this.#sockets = new WebSocketServer(options)
  }

  get rooms(): number {
    return [...this.#tenants.values()].reduce((sum, rooms) => sum + rooms.size, 0)
  }

  get connections(): number {
    return this.#connected.size
  }

  /** What all rooms hold. */
  get bytes(): number {
    return this.#budget.used
  }

  /** Takes over a request whose path is one of scratches: refusals, too, are close codes, which a browser can read. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, open => this.#accept(open, socket, request))
  }

  /** Ends all rooms, and refuses whoever comes. */
  close(refusal: WeftError): void {
    this.#refusal = refusal
    for (const rooms of [...this.#tenants.values()]) rooms.close(refusal)
  }

  terminate(): void {
    for (const socket of this.#connected) socket.terminate()
  }

  #accept(socket: WebSocket, wire: Duplex, request: IncomingMessage): void {
    // A socket that fails without a listener would end the process.
    socket.on('error', () => {})
    socket.on('close', () => this.#connected.delete(socket))
    this.#connected.add(socket)
    // Nothing is read of a client before it is known.
    socket.pause()
    void this.#admit(socket, wire, readRequest(request)).catch((error: unknown) => {
      const refusal = isWeftError(error) ? error : internal(error)
      this.host.failed(refusal, undefined)
      socket.close(closeCodeOf(refusal.code), refusal.code)
      socket.resume()
    })
  }

  async #admit(socket: WebSocket, wire: Duplex, request: Request | undefined): Promise<void> {
    if (this.#refusal) throw this.#refusal
    if (this.#connected.size > this.#limits.connections_max)
      throw tooMany('connections', this.#limits.connections_max)
    if (request === undefined) throw malformed('the address is not /scratch/<workflow>/<id>')
    const { workflow, scratch, token, ownerKey } = request
    const admission = await this.host.admit(token, workflow)
    const owns = ownerKey !== undefined
    if (owns && !(admission.mayWrite && scratchId(ownerKey) === scratch)) throw notTheOwner()
    if (this.#refusal) throw this.#refusal
    if (socket.readyState === socket.OPEN)
      this.#connect(socket, wire, `${workflow}/${scratch}`, admission, owns)
  }

  /** @throws WEFT_LIMIT */
  #connect(socket: WebSocket, wire: Duplex, name: string, admission: Admission, owns: boolean): void {
    const { tenant } = admission
    const rooms = this.#tenants.get(tenant) ?? this.#roomsOf(tenant)
    rooms.checkCapacity(name, owns)
    this.#tenants.set(tenant, rooms)
    const connection = new RelayConnection(socket, wire, admission, owns, {
      limits: this.#limits,
      clock: this.host.clock,
      failed: error => this.host.failed(error, tenant),
      broken: error => rooms.fail(name, error),
      departed: done => rooms.depart(name, connection, done),
    })
    rooms.arrive(name, connection)
    connection.hold()
  }

  #roomsOf(tenant: string): Rooms {
    return new Rooms(this.#limits, this.host.clock, this.#budget, () => this.#tenants.delete(tenant))
  }
}

/** Tells a client what to do about a message that is too long: the standard's code would make it try again for ever. */
class RelaySocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === TOO_BIG) super.close(CLOSE_CODES.full, 'WEFT_FRAME_TOO_LARGE')
    else super.close(code, reason)
  }
}

const TOO_BIG = 1009

function internal(cause: unknown): WeftError {
  return new WeftError('WEFT_INTERNAL', 'the peer failed at this request', 'try again', {}, { cause })
}
