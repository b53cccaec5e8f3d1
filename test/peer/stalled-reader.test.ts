import { EventEmitter } from 'node:events'
import { type Transport, TRANSPORT_OPEN } from '@weft/core'
import { DEFAULT_LIMITS, InlineTrial, peerMetrics, PeerService } from '@weft/peer'
import { decodeMessage, encodeMessage, type Message, PROTOCOL_VERSIONS } from '@weft/protocol'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { host } from '../support/host.ts'
import { MemoryStore } from '../support/memory-store.ts'
import { until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'

/** A socket whose network takes nothing, or everything, at once. */
class Wire extends EventEmitter implements Transport {
  readonly readyState = TRANSPORT_OPEN
  readonly messages: Message[] = []
  bufferedAmount = 0

  constructor(private readonly isStalled: boolean) {
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

  async follows(workflow: string): Promise<void> {
    this.says({ name: 'hello', versions: PROTOCOL_VERSIONS, token: 't', client: 'c' })
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

async function startService(): Promise<PeerService> {
  const zero = (): number => 0
  const gauges = { connections: zero, contexts: zero, quarantined: zero, feeds: zero, parked: zero }
  const service = new PeerService(
    {
      openStore: async () => new MemoryStore(),
      verify: async () =>
        ({ tenant: 't', scopes: ['read', 'write'], workflows: '*', expires_ms: 2 ** 52 }) as never,
      sessions: {} as never,
      limits: DEFAULT_LIMITS,
      metrics: peerMetrics({ ...gauges, ready: () => true, scratch: () => NOBODY }),
      log: pino({ level: 'silent' }),
      clock: {
        now: Date.now,
        steady: () => Math.floor(performance.now()),
        after: (ms, fn) => clearTimeout.bind(undefined, setTimeout(fn, ms).unref()),
      },
      soon: fn => void setImmediate(fn),
      hash: host.hash,
      random: host.random,
      trial: new InlineTrial(host.hash, DEFAULT_LIMITS.trial_bytes_max),
    },
    { opened: () => {}, advanced: () => {}, failed: () => {} },
  )
  await service.start()
  return service
}

describe('a reader whose network takes nothing', () => {
  test('has the peer hold one read of the log for it, however much there is and comes', async () => {
    const service = await startService()
    const writer = new Wire(false)
    service.accept(writer)
    await writer.follows('w')
    const author = new Author(1)
    const written = (): number =>
      writer.messages.reduce((sum, message) => sum + (message.name === 'log' ? message.items.length : 0), 0)
    const write = async (count: number): Promise<void> => {
      const goal = written() + count
      writer.says({
        name: 'push',
        channel: 1,
        changes: author.appends(count, 2_000).map(({ bytes }) => bytes),
      })
      await until(() => written() === goal, 'it is written')
      writer.says({ name: 'seen', channel: 1, position: goal })
    }
    await write(300)
    const readers = Array.from({ length: 20 }, () => new Wire(true))
    for (const reader of readers) {
      service.accept(reader)
      await reader.follows('w')
    }
    await until(() => readers.every(({ bufferedAmount }) => bufferedAmount > 20_000), 'each was sent some')
    const before = readers.map(({ bufferedAmount }) => bufferedAmount)
    for (let i = 0; i < 4; i++) await write(200)
    expect(readers.map(({ bufferedAmount }) => bufferedAmount)).toEqual(before)
    for (const bytes of before) expect(bytes).toBeLessThan(DEFAULT_LIMITS.congested_bytes + 32_768 + 4_096)
  })
})
