import { signToken } from '@weft/peer'
import type { ScratchAddress } from '@weft/replica'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { Doc } from 'yjs'
import { SECRET, TENANT } from '../peer/messages.js'

/** A stock y-websocket client that watches the text `draft` of a scratch. */
export class Watcher {
  readonly #doc = new Doc()
  readonly #provider: WebsocketProvider

  private constructor({ server, room }: ScratchAddress, token: string) {
    this.#provider = new WebsocketProvider(server, room, this.#doc, {
      params: { token },
      disableBc: true,
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    })
  }

  static async of(address: ScratchAddress): Promise<Watcher> {
    const token = await signToken(SECRET, { tenant: TENANT, scopes: ['read'], lifetime: 3_600 })
    const watcher = new Watcher(address, token)
    await new Promise<void>(resolve => watcher.#provider.once('sync', () => resolve()))
    return watcher
  }

  /** Resolves when the text is so long. */
  async has(length: number): Promise<void> {
    const text = this.#doc.getText('draft')
    if (text.length >= length) return
    await new Promise<void>(resolve => {
      const look = (): void => {
        if (text.length < length) return
        text.unobserve(look)
        resolve()
      }
      text.observe(look)
    })
  }

  close(): void {
    this.#provider.destroy()
    this.#doc.destroy()
  }
}
