import { EventEmitter } from 'node:events'
import { type Change, type Clock, type Store, type Transport, TRANSPORT_OPEN } from '@weft/core'
import { DEFAULT_LIMITS, InlineTrial, type PeerLimits, peerMetrics, PeerService } from '@weft/peer'
import { decodeMessage, encodeMessage, type Message, PROTOCOL_VERSIONS } from '@weft/protocol'
import { pino } from 'pino'
import { host } from './host.ts'
import { MemoryStore } from './memory-store.ts'
import { until } from './peer-until.ts'

/** A socket whose network takes nothing, or everything, at once. */
export class Wire extends EventEmitter implements Transport {
  readonly readyState = TRANSPORT_OPEN
  readonly messages: Message[] = []
  bufferedAmount = 0

  constructor(private readonly isStalled = false) {
    super()
  }

  send(frame: Uint8Array, sent?: () => void): void {
    this.messages.push(decodeMessage(frame))
    if (this.isStalled) this.bufferedAmount += frame.length
    else if (sent) setImmediate(sent)
  }

  says(message: Message): void {
    this.emit('message', encodeMessage(message), true)
  }

  /** Changes that were acknowledged, or read. */
  get logged(): number {
    return this.messages.reduce(
      (sum, message) => sum + (message.name === 'log' ? message.items.length : 0),
      0,
    )
  }

  pushes(changes: readonly Change[]): void {
    this.says({ name: 'push', channel: 1, changes: changes.map(({ bytes }) => bytes) })
  }

  /** @param tenant whose token it says it has */
  async follows(workflow: string, tenant = 't'): Promise<void> {
    this.says({ name: 'hello', versions: PROTOCOL_VERSIONS, token: tenant, client: 'c' })
    await until(() => this.messages.some(({ name }) => name === 'welcome'), 'it is welcome')
    this.says({ name: 'open', channel: 1, workflow, after: 0, last: new Uint8Array(0) })
    await until(() => this.messages.some(({ name }) => name === 'opened'), 'it is open')
  }

  close(): void {}
  terminate(): void {}
  pause(): void {}
  resume(): void {}
  ping(): void {}
}

const NOBODY = { rooms: 0, connections: 0, bytes: 0 }

/** Of whoever comes; it does not expire. */
const GRANT = {
  scopes: ['read', 'write'],
  workflows: '*',
  expires: 2 ** 42,
  subject: undefined,
  id: undefined,
  issued: undefined,
} as const

/** Of the tests, where the time does not matter. */
const CLOCK: Clock = {
  now: Date.now,
  steady: () => Math.floor(performance.now()),
  after: (ms, fn) => clearTimeout.bind(undefined, setTimeout(fn, ms).unref()),
}

/** What a peer does, without a server: its sockets are wires. The token of a tenant is its name. */
export async function startService({
  store = new MemoryStore(),
  clock = CLOCK,
  limits = {},
}: {
  readonly store?: Store
  readonly clock?: Clock
  readonly limits?: Partial<PeerLimits>
} = {}): Promise<PeerService> {
  const zero = (): number => 0
  const gauges = {
    connections: zero,
    contexts: zero,
    quarantined: zero,
    pageBytes: zero,
    feeds: zero,
    parked: zero,
    oldestWrite_ms: zero,
  }
  const service = new PeerService(
    {
      openStore: async () => store,
      verify: async tenant => ({ ...GRANT, tenant }),
      sessions: {} as never,
      limits: { ...DEFAULT_LIMITS, ...limits },
      metrics: peerMetrics({ ...gauges, ready: () => true, scratch: () => NOBODY }),
      log: pino({ level: 'silent' }),
      clock,
      soon: fn => void setImmediate(fn),
      hash: host.hash,
      random: host.random,
      trial: new InlineTrial(host.hash, DEFAULT_LIMITS.trial_bytes_max),
    },
    { opened: () => {}, advanced: () => {}, letGo: () => {}, dropped: () => {}, failed: () => {} },
  )
  await service.start()
  return service
}
