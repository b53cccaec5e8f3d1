import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { StepOptions, StepResult } from '@weft/replica'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { until } from './peer-until.ts'
import { type Opened, Research } from './replica-contexts.ts'
import type { PeerHarness } from './peer-harness.ts'

export interface Place {
  readonly server: string
  readonly room: string
  readonly url: string
}

type AnyStep = Parameters<Parameters<Opened['step']>[1]>[0]

/** A step that goes on until it is told to end. */
export interface HeldStep {
  readonly step: AnyStep
  readonly place: Place
  /** Ends it, with its last words. */
  end(last?: (step: AnyStep) => void): Promise<StepResult<void>>
}

/** A step that shares its scratch, once others can watch it. */
export async function sharingStep(context: Opened, options: StepOptions = {}): Promise<HeldStep> {
  let release: (last?: (step: AnyStep) => void) => void = () => {}
  const held = new Promise<((step: AnyStep) => void) | undefined>(resolve => {
    release = resolve
  })
  let begun: (step: AnyStep) => void = () => {}
  const started = new Promise<AnyStep>(resolve => {
    begun = resolve
  })
  const result = context.step(
    'draft',
    async step => {
      begun(step)
      const last = await held
      last?.(step)
    },
    options,
  )
  result.catch(() => {})
  onTestFinished(() => release())
  const step = await started
  const place = await step.scratch.share()
  return {
    step,
    place,
    end: last => {
      release(last)
      return result
    },
  }
}

/** How a stock client shows its token. */
export type Showing = 'query' | 'subprotocol'

/** A stock y-websocket client, as anybody may run it. */
export class StockClient {
  readonly doc = new Y.Doc()
  readonly provider: WebsocketProvider
  /** Resolves with the close code and reason after which the client gives up. */
  readonly closed: Promise<{ code: number; reason: string }>

  private constructor({ server, room }: Omit<Place, 'url'>, token: string, showing: Showing) {
    this.provider = new WebsocketProvider(server, room, this.doc, {
      WebSocketPolyfill: WebSocket as never,
      // Clients in one process would else hear each other without any server.
      disableBc: true,
      ...(showing === 'query'
        ? { params: { token } }
        : { protocols: ['weft-scratch', `weft-token.${token}`] }),
    })
    this.closed = new Promise(resolve => this.provider.on('closed', resolve))
    onTestFinished(() => this.close())
  }

  static connecting(place: Omit<Place, 'url'>, token: string, showing: Showing = 'query'): StockClient {
    return new StockClient(place, token, showing)
  }

  static async synced(place: Omit<Place, 'url'>, token: string, showing: Showing = 'query') {
    const client = new StockClient(place, token, showing)
    await until(() => client.provider.synced, 'a stock client is in sync')
    return client
  }

  text(name = 'draft'): Y.Text {
    return this.doc.getText(name)
  }

  async reads(text: string, name = 'draft'): Promise<void> {
    await until(() => this.text(name).toString() === text, `a stock client reads ${JSON.stringify(text)}`)
  }

  close(): void {
    this.provider.destroy()
    this.doc.destroy()
  }
}

/** What a broken or hostile client may send: frames as they are. */
export class RawClient {
  readonly frames: Uint8Array[] = []
  readonly closed: Promise<{ code: number; reason: string }>

  private constructor(readonly socket: WebSocket) {
    socket.on('error', () => {})
    socket.on('message', data => this.frames.push(Uint8Array.from(data as Buffer)))
    this.closed = new Promise(resolve =>
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    )
    onTestFinished(() => socket.terminate())
  }

  static async connect(url: string, protocols: string[] = []): Promise<RawClient> {
    const client = new RawClient(new WebSocket(url, protocols))
    await Promise.race([once(client.socket, 'open'), client.closed])
    return client
  }

  static async admitted({ url }: Pick<Place, 'url'>, token: string, owner?: string): Promise<RawClient> {
    const own = owner === undefined ? [] : [`weft-owner.${owner}`]
    const client = await RawClient.connect(url, ['weft-scratch', `weft-token.${token}`, ...own])
    client.send([0, 0, 1, 0])
    await until(() => client.frames.some(([type, step]) => type === 0 && step === 1), 'an answer comes')
    return client
  }

  send(bytes: ArrayLike<number>): void {
    this.socket.send(Uint8Array.from(bytes))
  }

  /** An update, as y-websocket frames it. */
  sendUpdate(update: Uint8Array): void {
    this.send([0, 2, ...varUint(update.length), ...update])
  }
}

export function varUint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  while (left > 127) {
    bytes.push(128 | (left & 127))
    left = Math.floor(left / 128)
  }
  return [...bytes, left]
}

/** Where the scratch of an owner with this key is. */
export function placeOf({ url }: PeerHarness, ownerKey: string, workflow = 'w'): Place {
  const room = createHash('sha256').update(ownerKey).digest('hex').slice(0, 32)
  const server = `${url}/scratch/${workflow}`
  return { server, room, url: `${server}/${room}` }
}

/** An owner of a scratch that says what it is told to, and nothing by itself. */
export async function rawOwner(harness: PeerHarness, ownerKey = 'key-of-a-test') {
  const place = placeOf(harness, ownerKey)
  return { place, owner: await RawClient.admitted(place, await harness.token(), ownerKey) }
}

/** A context on a peer of the harness. */
export async function researchOn(harness: PeerHarness, workflow = 'w', tenant = 'acme'): Promise<Opened> {
  const replica = await harness.replica({ token: await harness.token({ tenant }) })
  return replica.open(Research, { workflow, agent: 'planner' })
}

/** What the peer holds of scratches. */
export async function scratchCounts(harness: PeerHarness) {
  return {
    rooms: await harness.metric('weft_scratch_rooms'),
    connections: await harness.metric('weft_scratch_connections'),
    bytes: await harness.metric('weft_scratch_bytes'),
  }
}
