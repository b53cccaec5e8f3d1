import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeMessage, encodeMessage, type MessageName } from '@weft/protocol'
import { onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

/** Stands between a replica and its peer, and holds back some of what is told while all else goes through. */
export class StalledPeer {
  readonly #clients = new Set<WebSocket>()
  readonly #held: (() => void)[] = []
  #holds: MessageName | undefined

  private constructor(
    private readonly server: Server,
    private readonly peer: string,
  ) {}

  static async before(peer: string): Promise<StalledPeer> {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    const stalled = new StalledPeer(server, peer)
    sockets.on('connection', socket => stalled.#join(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const client of sockets.clients) client.terminate()
      server.close()
    })
    return stalled
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Holds back all messages of a name, until they are let go. */
  hold(name: MessageName): void {
    this.#holds = name
  }

  /** Ends all connections, saying why. */
  cut(code: number, reason: string): void {
    for (const client of this.#clients) client.close(code, reason)
  }

  /** Tells all replicas that a channel is served no longer. */
  failChannel(channel: number, code: string): void {
    const frame = encodeMessage({
      name: 'fail',
      channel,
      code,
      message: 'it cannot be read',
      cure: 'mend it',
    })
    for (const client of this.#clients) client.send(frame)
  }

  release(): void {
    this.#holds = undefined
    for (const send of this.#held.splice(0)) send()
  }

  #join(client: WebSocket): void {
    this.#clients.add(client)
    const peer = new WebSocket(this.peer)
    const early: Buffer[] = []
    client.on('message', data => {
      if (peer.readyState === WebSocket.OPEN) peer.send(data as Buffer)
      else early.push(data as Buffer)
    })
    peer.on('open', () => {
      for (const data of early.splice(0)) peer.send(data)
    })
    peer.on('message', data => {
      const frame = data as Buffer
      const send = (): void => client.send(frame)
      if (this.#holds !== undefined && decodeMessage(Uint8Array.from(frame)).name === this.#holds)
        this.#held.push(send)
      else send()
    })
    for (const socket of [client, peer]) socket.on('error', () => {})
    client.on('close', () => {
      this.#clients.delete(client)
      peer.terminate()
    })
    peer.on('close', () => client.terminate())
  }
}
