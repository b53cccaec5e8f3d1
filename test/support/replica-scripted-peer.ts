import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Message } from '@weft/protocol'
import { onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import { WireEnd } from './wire-client.ts'

/** A peer that does what the test says, right or wrong. */
export class ScriptedPeer {
  readonly #arrived: WireEnd[] = []
  readonly #waiting: ((end: WireEnd) => void)[] = []

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', socket => {
      const end = new WireEnd(socket)
      const waiting = this.#waiting.shift()
      if (waiting) waiting(end)
      else this.#arrived.push(end)
    })
  }

  static async start(): Promise<ScriptedPeer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
    return new ScriptedPeer(server)
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** The next replica that connects, once it has been welcomed. */
  async welcomed(): Promise<WireEnd> {
    const end =
      this.#arrived.shift() ?? (await new Promise<WireEnd>(resolve => void this.#waiting.push(resolve)))
    await end.next('hello')
    const scopes = ['read', 'write']
    end.send({
      name: 'welcome',
      version: 1,
      tenant: 't',
      scopes,
      push_bytes_max: 1_000_000,
      frame_bytes_max: 1_000_000,
    })
    return end
  }

  /** As `welcomed`, and follows its one context, of a log of `count`. */
  async opened(count: number, known = true): Promise<{ end: WireEnd; open: Message & { name: 'open' } }> {
    const end = await this.welcomed()
    const open = await end.next('open')
    end.send({ name: 'opened', channel: open.channel, count, heads: new Uint8Array(0), known })
    return { end, open }
  }
}
