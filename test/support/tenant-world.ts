import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@weft/core'
import { startGateway } from '@weft/gateway'
import { type Peer, signToken, startPeer } from '@weft/peer'
import { connect, type Replica } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { CanaryWatch, canariesIn, canaryOf } from './canaries.ts'
import { FrameTap } from './frame-tap.ts'
import { SECRET } from './peer-harness.ts'
import { type Opened, Research } from './replica-contexts.ts'
import { WebhookTarget } from './webhook-target.ts'

/** The workflow that every tenant has, as it has all other names. */
export const WORKFLOW = 'w'
export const AGENT = 'agent'

export interface WorldOptions {
  readonly tenants: number
  /** What stands between the peer and its store, or its log: to plant a leak. */
  readonly planted?: {
    readonly store?: (store: Store) => Store
    readonly logged?: () => object
  }
}

/** One of many tenants, with a replica and a token of its own. Its id is its canary. */
export interface Tenant {
  readonly number: number
  readonly id: string
  readonly token: string
  readonly replica: Replica
  readonly context: Opened
}

/** Many tenants on one peer and one gateway, over real sockets. Whatever any of them gets is looked at. */
export class TenantWorld {
  readonly watch = new CanaryWatch()
  readonly tenants: Tenant[] = []
  #webhooks: WebhookTarget | undefined

  private constructor(
    readonly folder: string,
    readonly peer: Peer,
    readonly api: string,
    /** Where replicas connect to. */
    readonly url: string,
    private readonly lines: string[],
  ) {}

  static async start({ tenants, planted = {} }: WorldOptions): Promise<TenantWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-tenants-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const lines: string[] = []
    const { store = (opened: Store) => opened, logged = () => ({}) } = planted
    const target = await WebhookTarget.start()
    const numbers = Array.from({ length: tenants }, (_, number) => number)
    const peer = await startPeer({
      openStore: async () => store(await openLevelStore(join(folder, 'data'))),
      key: { kind: 'secret', secret: SECRET },
      port: 0,
      logger: pino({ level: 'trace', mixin: logged }, { write: line => void lines.push(line) }),
      webhooks: numbers.map(number => ({
        ...{ name: 'hook', tenant: canaryOf(number), secret: 'a secret of the webhooks, long enough' },
        url: `${target.url}${number}`,
      })),
    })
    onTestFinished(() => peer.close())
    let world: TenantWorld | undefined
    const seen = (tenant: string, frame: Uint8Array) => world?.watch.see('frame', numberOf(tenant), frame)
    const tap = await FrameTap.start(peer.url, seen)
    const limits = { replicas_max: tenants + 8, connecting_max: tenants + 8, connect_ms: 60_000 }
    const gateway = await startGateway({ url: tap.url, port: 0, limits })
    onTestFinished(() => gateway.close())
    world = new TenantWorld(folder, peer, gateway.url, tap.url, lines)
    world.#webhooks = target
    for (const number of numbers) world.tenants.push(await world.#enter(number))
    return world
  }

  /** A token for all of a tenant, unless it says otherwise. */
  token(number: number, request: Partial<Parameters<typeof signToken>[1]> = {}): Promise<string> {
    const scopes = ['read', 'write', 'admin'] as const
    return signToken(SECRET, { tenant: canaryOf(number), scopes, lifetime: 3_600, ...request })
  }

  /** Asks the gateway, or the peer over HTTP. */
  async ask(
    tenant: Tenant,
    method: string,
    url: string,
    body?: object,
  ): Promise<{ status: number; text: string }> {
    const { status, headers, text } = await askOver(method, url, tenant.token, body && JSON.stringify(body))
    this.watch.see('http', tenant.number, `${headers}\n${text}`)
    return { status, text }
  }

  get http(): string {
    return this.peer.url.replace(/^ws/, 'http')
  }

  /** What is told to whoever asks. */
  async seePublic(): Promise<void> {
    for (const path of ['/metrics', '/readyz', '/livez', '/nowhere']) {
      const { headers, text } = await askOver('GET', `${this.http}${path}`, '')
      this.watch.see('public', undefined, `${headers}\n${text}`)
    }
  }

  /** What has come to webhooks until now. @returns how many there were */
  seeWebhooks(): number {
    const received = this.#webhooks!.received.splice(0)
    for (const { path, headers, body } of received)
      this.watch.see('webhook', Number(path.slice(1)), `${JSON.stringify(headers)}\n${body}`)
    return received.length
  }

  /** Ends all that writes, so that the store can be looked at; then what was logged until then, and sent to webhooks. */
  async end(): Promise<void> {
    for (const { replica } of this.tenants) await replica.close({ discard: true })
    await this.peer.close()
    this.seeLogged()
    this.seeWebhooks()
  }

  /** What was logged until now. */
  seeLogged(): void {
    for (const line of this.lines.splice(0)) this.watch.see('logged', tenantOfLine(line), line)
  }

  async #enter(number: number): Promise<Tenant> {
    const token = await this.token(number)
    const replica = await connect({ url: this.url, token, client: 'worker', overlays: true })
    onTestFinished(() => replica.close({ discard: true }))
    const context = await replica.open(Research, { workflow: WORKFLOW, agent: AGENT })
    const text = `${canaryOf(number)} begins`
    await context.append('message', { text }, { reason: text }).committed
    return { number, id: canaryOf(number), token, replica, context }
  }
}

/** Undefined for what is no tenant of a world. */
export function numberOf(tenant: string): number | undefined {
  return canariesIn(tenant)[0]?.tenant
}

function tenantOfLine(line: string): number | undefined {
  const { tenant } = JSON.parse(line) as { tenant?: string }
  return tenant === undefined ? undefined : numberOf(tenant)
}

/** Over a connection of its own: one that is kept may be closed by the server just when it is used again. */
async function askOver(method: string, url: string, token: string, body = '') {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const asked = request(url, { method, headers, agent: false })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return {
    status: response.statusCode!,
    headers: response.rawHeaders.join('\n'),
    text: Buffer.concat(await response.toArray()).toString(),
  }
}
