import { type Gateway, type GatewayOptions, startGateway } from '@weft/gateway'
import { onTestFinished } from 'vitest'
import { ApiDocument } from './api-document.ts'
import { PeerHarness } from './peer-harness.ts'
import { Research } from './replica-contexts.ts'

export interface Ask {
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** What came back; `body` is whatever JSON it was. */
export interface Answer {
  readonly status: number
  readonly body: Loose
  readonly session: string | undefined
  readonly headers: Headers
}

/** JSON as a test reads it that knows what it has asked for: the document says what it is, and was held against it. */
export interface Loose {
  readonly code: string
  readonly change: string
  readonly position: number
  readonly heads: readonly string[]
  readonly writers: readonly string[]
  readonly conflicts: readonly object[]
  readonly entries: readonly object[]
  readonly records: readonly object[]
  readonly next: string | null
  readonly offset: number
  readonly tokens: number
  readonly text: string
  readonly messages: unknown
  readonly system: unknown
  readonly parts: unknown
  readonly included: readonly object[]
  readonly leftOut: readonly object[]
  readonly id: string
  readonly epoch: number
  readonly to: number
  readonly branches: readonly { readonly name: string; readonly state: string }[]
  readonly changes: readonly string[]
  readonly order: readonly string[]
  readonly merged: readonly { readonly branch: string; readonly entries: readonly string[] }[]
  readonly staleReads: readonly object[]
  readonly events: readonly { readonly entries: readonly { readonly value: { readonly text: string } }[] }[]
}

/** A gateway in this process beside a peer in this process. All of it ends with the test. */
export class GatewayHarness {
  private constructor(
    readonly peer: PeerHarness,
    readonly gateway: Gateway,
    readonly token: string,
    private readonly document: ApiDocument,
  ) {}

  static async start(
    options: Partial<GatewayOptions> = {},
    peer?: PeerHarness,
    document?: ApiDocument,
  ): Promise<GatewayHarness> {
    const running = peer ?? (await PeerHarness.start())
    const gateway = await startGateway({ port: 0, ...options, url: options.url ?? running.url })
    onTestFinished(() => gateway.close())
    const token = await running.token({ scopes: ['read', 'write', 'admin'] })
    return new GatewayHarness(running, gateway, token, document ?? (await ApiDocument.of(gateway.url)))
  }

  /** Another gateway of the same peer. */
  another(options: Partial<GatewayOptions> = {}): Promise<GatewayHarness> {
    return GatewayHarness.start(options, this.peer, this.document)
  }

  /** Asks, and holds what is answered against the document: an answer that it does not describe fails the test. */
  async ask(method: string, path: string, { body, token, headers, signal }: Ask = {}): Promise<Answer> {
    const response = await fetch(`${this.gateway.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token ?? this.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
    const text = await response.text()
    const answered = { status: response.status, type: response.headers.get('content-type'), text }
    this.document.check(method, path, body, answered)
    return {
      status: response.status,
      body: JSON.parse(text || '{}') as Loose,
      session: response.headers.get('weft-session') ?? undefined,
      headers: response.headers,
    }
  }

  get(path: string, ask: Ask = {}): Promise<Answer> {
    return this.ask('GET', path, ask)
  }

  post(path: string, body: unknown, ask: Ask = {}): Promise<Answer> {
    return this.ask('POST', path, { body, ...ask })
  }

  /** Claims where there is nothing, until the signal aborts; those that look whether it waits may take its place at first. */
  async occupy(path: string, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const answer = await this.ask('POST', path, { body: { agent: 'waits', wait_ms: 60_000 }, signal })
      if (answer.status !== 503) return answer
    }
  }

  /** Writes a change to workflow `w`, as an agent of `research@1` unless it says otherwise. */
  write(change: object, ask: Ask = {}): Promise<Answer> {
    return this.post(
      '/v1/contexts/w/changes',
      { agent: 'a', schema: { name: 'research', version: 1 }, ...change },
      ask,
    )
  }

  say(text: string, ask: Ask = {}): Promise<Answer> {
    return this.write({ entries: [{ kind: 'message', value: { text } }] }, ask)
  }
}

/** A gateway, and a replica beside it that has begun workflow `w`. */
export async function gatewayScene() {
  const api = await GatewayHarness.start()
  const replica = await api.peer.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  await context.append('message', { text: 'begin' }).committed
  return { api, context, peer: api.peer, after: await context.token() }
}
