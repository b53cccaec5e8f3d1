import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, LogRecord, Store } from '@weft/core'
import { DEFAULT_LIMITS, peerMetrics, PeerService, TrialLanes } from '@weft/peer'
import { PROTOCOL_VERSIONS } from '@weft/protocol'
import { openLevelStore } from '@weft/store-level'
import { pino } from 'pino'
import { type Dice, sha256 } from './dice.js'
import { Line, turns } from './line.js'

const clock: Clock = {
  now: () => Date.now(),
  steady: () => Math.floor(performance.now()),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}

const log = pino({ level: 'silent' })
const none = () => 0

/** A peer under fire: the production service on LevelDB, with threads for its trials, reached by lines instead of sockets. */
export class Target {
  private constructor(
    private readonly directory: string,
    private readonly service: PeerService,
    private readonly trial: TrialLanes,
    private readonly store: () => Store,
    /** Reasons for which a thread that tries has died. */
    readonly deaths: readonly string[],
  ) {}

  static async start(dice: Dice): Promise<Target> {
    const directory = await mkdtemp(join(tmpdir(), 'weft-fuzz-'))
    const limits = DEFAULT_LIMITS
    const deaths: string[] = []
    const bounds = {
      answer_ms: limits.trial_ms,
      documents_bytes_max: limits.trial_bytes_max,
      memory_bytes_max: limits.trial_memory_bytes_max,
    }
    const trial = new TrialLanes(bounds, clock)
    let store: Store | undefined
    const service = new PeerService(
      {
        openStore: async () => {
          store = await openLevelStore(directory)
          return store
        },
        verify: async tenant => ({
          tenant,
          scopes: ['read', 'write', 'admin'],
          workflows: '*',
          expires: Math.floor(Date.now() / 1000) + 86_400,
          subject: undefined,
          id: undefined,
          issued: undefined,
        }),
        sessions: {
          sign: async mark => JSON.stringify(mark),
          verify: async token => JSON.parse(token),
        },
        limits,
        metrics: peerMetrics({
          connections: none,
          contexts: none,
          quarantined: none,
          pageBytes: none,
          feeds: none,
          parked: none,
          ready: () => true,
          oldestWrite_ms: none,
          scratch: () => ({ rooms: 0, connections: 0, bytes: 0 }),
        }),
        log,
        clock,
        soon: fn => void setImmediate(fn),
        hash: sha256,
        random: (target, at, length) => target.set(dice.bytes(length), at),
        trial: {
          ask: (tenant, question) =>
            trial.ask(tenant, question).catch(error => {
              deaths.push(String(error))
              throw error
            }),
        },
      },
      {
        opened: () => {},
        advanced: () => {},
        letGo: () => {},
        dropped: () => {},
        failed: error => deaths.push(String(error)),
      },
    )
    await service.start()
    return new Target(directory, service, trial, () => store!, deaths)
  }

  get contexts(): number {
    return this.service.openContexts
  }

  line(): Line {
    const line = new Line()
    this.service.accept(line)
    return line
  }

  /** A line whose token was taken. */
  async welcomed(tenant: string): Promise<Line> {
    const line = this.line()
    line.say({ name: 'hello', versions: PROTOCOL_VERSIONS, token: tenant, client: 'fuzz' })
    for (let i = 0; i < 20 && !line.inbox.some(({ name }) => name === 'welcome'); i++) await turns(1)
    await line.next('welcome')
    return line
  }

  /** A line that follows a workflow from its beginning, on channel 1. */
  async following(tenant: string, workflow: string): Promise<Line> {
    const line = await this.welcomed(tenant)
    line.say({ name: 'open', channel: 1, workflow, after: 0, last: new Uint8Array(0) })
    await line.next('opened')
    return line
  }

  /** The committed log, as it lies on the disk. */
  async log(tenant: string, workflow: string): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = []
    for (;;) {
      const more = await this.store()
        .tenant(tenant)
        .read(workflow, records.length + 1, 1_000_000)
      if (more.length === 0) return records
      records.push(...more)
    }
  }

  async close(): Promise<void> {
    this.service.pause()
    await this.service.close()
    await this.trial.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}
