import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A way to the peer on which what the peer says can be held back: a replica behind it falls as far behind as the script
 * wants, and for as long.
 */
export class HeldLink {
  readonly #fromPeer = new Set<Socket>()
  readonly #toReplica = new Set<Socket>()
  #held = false

  /** Runs `work` with a link to the peer at `url`. */
  static async use<T>(url: string, work: (link: HeldLink) => Promise<T>): Promise<T> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const link = new HeldLink(server, Number(new URL(url).port))
    try {
      return await work(link)
    } finally {
      link.#close()
    }
  }

  private constructor(
    private readonly server: Server,
    port: number,
  ) {
    server.on('connection', near => this.#join(near, connect(port, '127.0.0.1')))
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  hold(): void {
    this.#held = true
    for (const socket of this.#fromPeer) socket.pause()
  }

  release(): void {
    this.#held = false
    for (const socket of this.#fromPeer) socket.resume()
  }

  #join(near: Socket, far: Socket): void {
    this.#toReplica.add(near)
    this.#fromPeer.add(far)
    near.pipe(far)
    far.on('data', bytes => near.write(bytes))
    if (this.#held) far.pause()
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  }

  #close(): void {
    this.server.close()
    for (const socket of [...this.#toReplica, ...this.#fromPeer]) socket.destroy()
  }
}
