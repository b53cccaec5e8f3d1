import { type LogHead, type LogRecord, toKept, type WorkflowId } from '@weft/core'
import { type Peer, type PeerOptions, signToken, startPeer, type TokenRequest } from '@weft/peer'
import { type ConnectOptions, connect, type Replica } from '@weft/replica'
import { onTestFinished } from 'vitest'
import { MemoryDisk, MemoryStore } from './memory-store.ts'
import { StoreGate } from './peer-store.ts'
import { WireClient } from './wire-client.ts'

export const SECRET = 'a secret of the tests, long enough'

/** A peer in this process on a disk in memory, which outlives it. All of it ends with the test. */
export class PeerHarness {
  readonly gate: StoreGate
  #peer: Peer | undefined
  #port = 0

  private constructor(
    disk: MemoryDisk,
    private readonly options: Partial<PeerOptions>,
  ) {
    this.gate = new StoreGate(disk)
  }

  static async start(options: Partial<PeerOptions> = {}, disk = new MemoryDisk()): Promise<PeerHarness> {
    const harness = new PeerHarness(disk, options)
    onTestFinished(() => {
      harness.gate.release()
      return harness.stop()
    })
    await harness.restart()
    return harness
  }

  get peer(): Peer {
    return this.#peer!
  }

  get url(): string {
    return this.peer.url
  }

  get disk(): MemoryDisk {
    return this.gate.disk
  }

  /** Stops the peer, and starts another one on the same port. */
  async restart(): Promise<void> {
    await this.stop()
    this.#peer = await startPeer({
      openStore: this.gate.openStore,
      key: { kind: 'secret', secret: SECRET },
      port: this.#port,
      ...this.options,
    })
    this.#port = this.#peer.port
  }

  async stop(): Promise<void> {
    await this.#peer?.close()
    this.#peer = undefined
  }

  token(request: Partial<TokenRequest> = {}): Promise<string> {
    return signToken(SECRET, { tenant: 'acme', scopes: ['read', 'write'], lifetime: 600, ...request })
  }

  async following(request: Partial<TokenRequest> = {}, workflow = 'w'): Promise<WireClient> {
    const client = await WireClient.following(this.url, await this.token(request), workflow)
    onTestFinished(() => void client.socket.terminate())
    return client
  }

  /** A replica that its caller closes: a long test that goes through many would hold all of them to its end. */
  async connect(options: Partial<ConnectOptions> = {}): Promise<Replica> {
    return connect({ url: this.url, token: await this.token(), ...options })
  }

  async replica(options: Partial<ConnectOptions> = {}): Promise<Replica> {
    const replica = await this.connect(options)
    onTestFinished(() => replica.close({ discard: true }))
    return replica
  }

  /** The committed log as it lies on the disk, read and verified anew. */
  async log(workflow: WorkflowId = 'w', tenant = 'acme'): Promise<readonly LogRecord[]> {
    const read = await new MemoryStore(this.disk).tenant(tenant).read(workflow, 1, Number.MAX_SAFE_INTEGER)
    return read.map(toKept)
  }

  /** What the disk says of a context. */
  head(workflow: WorkflowId = 'w', tenant = 'acme'): Promise<LogHead | undefined> {
    return new MemoryStore(this.disk).tenant(tenant).head(workflow)
  }

  async ids(workflow: WorkflowId = 'w', tenant = 'acme'): Promise<string[]> {
    return (await this.log(workflow, tenant)).map(record => record.id)
  }

  async http(path: string, init?: RequestInit): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.peer.port}${path}`, init)
    return { status: response.status, text: await response.text() }
  }

  /** One number of `/metrics`, without its labels' names: the sum over all of them. */
  async metric(name: string): Promise<number> {
    const { text } = await this.http('/metrics')
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
    return values.reduce((sum, match) => sum + Number(match[1]), 0)
  }
}
