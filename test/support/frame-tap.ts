import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeMessage } from '@weft/protocol'
import { onTestFinished } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'

const LISTEN = { host: '127.0.0.1', port: 0, perMessageDeflate: false }
/** What scratches are asked for by, and show their tokens with. */
const SCRATCH = 'weft-scratch'
const TOKEN = 'weft-token.'

/** Stands between replicas and a peer, and shows every frame: those that come down with the tenant whose token was sent. */
export class FrameTap {
  private constructor(
    private readonly server: WebSocketServer,
    private readonly target: string,
    private readonly seen: (tenant: string, frame: Uint8Array) => void,
    private readonly sent: (frame: Uint8Array) => void,
  ) {
    server.on('connection', (client, request) => this.#join(client, request))
  }

  static async start(
    target: string,
    seen: (tenant: string, frame: Uint8Array) => void,
    sent: (frame: Uint8Array) => void = () => {},
  ): Promise<FrameTap> {
    const handleProtocols = (offered: Set<string>) => (offered.has(SCRATCH) ? SCRATCH : false)
    const server = new WebSocketServer({ ...LISTEN, handleProtocols })
    await new Promise<void>(resolve => server.once('listening', resolve))
    onTestFinished(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    return new FrameTap(server, target, seen, sent)
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  #join(client: WebSocket, { url = '', headers }: IncomingMessage): void {
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(/, */).filter(each => each !== '')
    const peer = new WebSocket(`${this.target}${url}`, protocols, { perMessageDeflate: false })
    const early: RawData[] = []
    const shown = protocols.find(each => each.startsWith(TOKEN))
    let tenant = shown && tenantOf(shown.slice(TOKEN.length))
    client.on('message', frame => {
      this.sent(frame as Buffer)
      tenant ??= tenantIn(frame as Buffer)
      if (peer.readyState === WebSocket.OPEN) peer.send(frame)
      else early.push(frame)
    })
    peer.on('open', () => {
      for (const frame of early.splice(0)) peer.send(frame)
    })
    peer.on('message', frame => {
      if (tenant !== undefined) this.seen(tenant, frame as Buffer)
      client.send(frame)
    })
    peer.on('close', (code, reason) => close(client, code, reason))
    client.on('close', () => peer.terminate())
    for (const end of [peer, client]) end.on('error', () => {})
  }
}

/** A code that was never on the wire cannot be sent on. */
function close(client: WebSocket, code: number, reason: Buffer): void {
  if (code >= 1000 && code !== 1005 && code !== 1006) client.close(code, reason)
  else client.terminate()
}

function tenantIn(frame: Buffer): string | undefined {
  const message = decodeMessage(Uint8Array.from(frame))
  return message.name === 'hello' ? tenantOf(message.token) : undefined
}

function tenantOf(token: string): string {
  const [, claims = ''] = token.split('.')
  return (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { tenant: string }).tenant
}
