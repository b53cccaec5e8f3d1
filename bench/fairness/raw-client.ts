import { once } from 'node:events'
import { signToken } from '@weft/peer'
import { decodeMessage, encodeMessage, type Message, PROTOCOL_VERSIONS } from '@weft/protocol'
import { WebSocket } from 'ws'
import { SECRET } from '../peer/messages.js'
import type { Offered } from './offers.js'

const TOKEN_SECONDS = 3_600
const SEEN_EVERY = 1_000

/** A bare socket that follows one context: what it sends was made before, so that a crowd takes little of the machine. */
export class RawClient {
  /** Changes that were acknowledged, or read. */
  changes = 0
  #inFlight = 0
  #position = 0
  #reported = 0
  #wake = (): void => {}

  private constructor(private readonly socket: WebSocket) {}

  static async follow(url: string, tenant: string, workflow: string): Promise<RawClient> {
    const token = await signToken(SECRET, { tenant, scopes: ['read', 'write'], lifetime: TOKEN_SECONDS })
    const socket = new WebSocket(url)
    await once(socket, 'open')
    const client = new RawClient(socket)
    socket.on('error', () => {})
    const opened = new Promise<void>((resolve, reject) => {
      socket.on('message', data => {
        const message = decodeMessage(data as Buffer)
        if (message.name === 'welcome')
          client.#send({ name: 'open', channel: 1, workflow, after: 0, last: new Uint8Array(0) })
        else if (message.name === 'opened') resolve()
        else client.#received(message)
      })
      socket.on('close', code => reject(new Error(`the socket closed with ${code}`)))
    })
    client.#send({ name: 'hello', versions: PROTOCOL_VERSIONS, token, client: 'crowd' })
    await opened
    return client
  }

  /** Offers everything, with so many bytes on the way, until it is acknowledged or the signal comes. */
  async offer(offers: readonly Offered[], window_bytes: number, signal: AbortSignal): Promise<void> {
    let end = 0
    for (const { frame, bytes, changes } of offers) {
      const each = bytes / changes
      while (!signal.aborted && this.#inFlight * each + bytes > window_bytes) await this.#moved()
      if (signal.aborted) return
      this.#inFlight += changes
      end += changes
      this.socket.send(frame)
    }
    while (!signal.aborted && this.changes < end) await this.#moved()
  }

  /** Resolves when the log is read up to a position. */
  async read(count: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#position < count) await this.#moved()
  }

  /** Takes nothing off its socket from now on. */
  stall(): void {
    this.socket.pause()
  }

  /** Wakes whoever waits for something that will not come. */
  stop(): void {
    this.#wake()
  }

  async close(): Promise<void> {
    this.socket.terminate()
    if (this.socket.readyState !== WebSocket.CLOSED) await once(this.socket, 'close')
  }

  #moved(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  #received(message: Message): void {
    if (message.name === 'ack') this.#counted(message.positions.length)
    else if (message.name === 'log') {
      this.#counted(message.items.length)
      this.#position = message.from + message.items.length - 1
      const isRead = message.items[0]!.length > ID_BYTES
      if (isRead || this.#position - this.#reported > SEEN_EVERY) {
        this.#reported = this.#position
        this.#send({ name: 'seen', channel: 1, position: this.#position })
      }
    } else throw new Error(`${message.name}: ${JSON.stringify(message)}`)
    this.#wake()
  }

  #counted(changes: number): void {
    this.changes += changes
    this.#inFlight = Math.max(0, this.#inFlight - changes)
  }

  #send(message: Message): void {
    this.socket.send(encodeMessage(message))
  }
}

const ID_BYTES = 32
