import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Peer, type PeerOptions, signToken, startPeer } from '@weft/peer'
import { type ConnectOptions, connect, type Replica } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'

export interface ReplicaOptions extends Pick<ConnectOptions, 'overlays'> {
  readonly tenant?: string
  readonly admin?: boolean
  /** Where the peer is reached. Default: at the peer itself. */
  readonly url?: string
}

const TOKEN_SECONDS = 600

/** A durable peer on LevelDB in a folder of its own, and the replicas that workers have of it. */
export class EmbeddedPeer {
  readonly #secret = randomBytes(32).toString('hex')
  readonly #replicas: Replica[] = []
  #peer: Peer | undefined

  /** Runs `work` on a new peer; replicas, peer and folder are gone when it is through. */
  static async use<T>(
    work: (peer: EmbeddedPeer) => Promise<T>,
    options: Pick<PeerOptions, 'limits'> = {},
  ): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-mistakes-'))
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    process.once('exit', remove)
    const peer = new EmbeddedPeer(join(folder, 'data'), options)
    try {
      await peer.start()
      return await work(peer)
    } finally {
      await peer.stop()
      remove()
      process.off('exit', remove)
    }
  }

  private constructor(
    readonly directory: string,
    private readonly options: Pick<PeerOptions, 'limits'>,
  ) {}

  get url(): string {
    return this.#peer!.url
  }

  async start(): Promise<void> {
    this.#peer = await startPeer({
      openStore: () => openLevelStore(this.directory),
      key: { kind: 'secret', secret: this.#secret },
      port: 0,
      ...this.options,
    })
  }

  /** Stops the peer with all its replicas; what is durable stays in its directory. */
  async stop(): Promise<void> {
    await Promise.all(this.#replicas.splice(0).map(replica => replica.close({ discard: true })))
    await this.#peer?.close()
    this.#peer = undefined
  }

  /** A replica as another worker, in whatever process, would have one. @throws WEFT_ID_INVALID */
  async replica({ tenant = 'acme', admin = false, ...options }: ReplicaOptions = {}): Promise<Replica> {
    const scopes = ['read', 'write', ...(admin ? ['admin'] : [])] as ('read' | 'write' | 'admin')[]
    const token = await signToken(this.#secret, { tenant, scopes, lifetime: TOKEN_SECONDS })
    const replica = await connect({ url: this.url, token, ...options })
    this.#replicas.push(replica)
    return replica
  }
}
