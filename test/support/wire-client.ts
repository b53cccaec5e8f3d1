import { once } from 'node:events'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageName,
  PROTOCOL_VERSIONS,
} from '@weft/protocol'
import { WebSocket } from 'ws'

type Named<Name extends MessageName> = Extract<Message, { readonly name: Name }>

interface Waiting {
  readonly wants: (message: Message) => boolean
  readonly resolve: (message: Message) => void
  readonly reject: (error: Error) => void
}

/** One end of a bare websocket, which speaks the messages and knows nothing of their order. */
export class WireEnd {
  readonly inbox: Message[] = []
  /** Resolves with the close code when the socket is gone. */
  readonly closed: Promise<number>
  readonly #waiting: Waiting[] = []

  constructor(readonly socket: WebSocket) {
    this.closed = new Promise(resolve => {
      socket.on('close', code => {
        for (const { reject } of this.#waiting) reject(new Error(`the socket closed with ${code}`))
        resolve(code)
      })
    })
    socket.on('error', () => {})
    socket.on('message', data => this.#received(decodeMessage(Uint8Array.from(data as Buffer))))
  }

  send(message: Message): void {
    this.socket.send(encodeMessage(message))
  }

  /** Takes the first message of a name out of the inbox; waits for it if need be. */
  async next<Name extends MessageName>(name: Name): Promise<Named<Name>> {
    const wants = (message: Message): boolean => message.name === name
    const at = this.inbox.findIndex(wants)
    if (at >= 0) return this.inbox.splice(at, 1)[0] as Named<Name>
    if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`the socket closed before ${name} came`)
    return (await new Promise<Message>((resolve, reject) => {
      this.#waiting.push({ wants, resolve, reject })
    })) as Named<Name>
  }

  close(): Promise<number> {
    this.socket.close()
    return this.closed
  }

  #received(message: Message): void {
    const at = this.#waiting.findIndex(({ wants }) => wants(message))
    if (at >= 0) this.#waiting.splice(at, 1)[0]!.resolve(message)
    else this.inbox.push(message)
  }
}

/** What a broken or hostile client may do. */
export class WireClient extends WireEnd {
  static async connect(url: string): Promise<WireClient> {
    const client = new WireClient(new WebSocket(url))
    await once(client.socket, 'open')
    return client
  }

  /** Connected, with its token taken. */
  static async welcomed(url: string, token: string): Promise<WireClient> {
    const client = await WireClient.connect(url)
    client.hello(token)
    await client.next('welcome')
    return client
  }

  /** Welcome and following a workflow from its beginning, on channel 1. */
  static async following(url: string, token: string, workflow = 'w'): Promise<WireClient> {
    const client = await WireClient.welcomed(url, token)
    client.open(workflow)
    await client.next('opened')
    return client
  }

  hello(token: string): void {
    this.send({ name: 'hello', versions: PROTOCOL_VERSIONS, token, client: 'test' })
  }

  open(workflow: string, channel = 1): void {
    this.send({ name: 'open', channel, workflow, after: 0, last: new Uint8Array(0) })
  }

  push(...changes: readonly { readonly bytes: Uint8Array }[]): void {
    this.send({ name: 'push', channel: 1, changes: changes.map(change => change.bytes) })
  }
}
