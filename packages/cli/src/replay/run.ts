import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WeftError } from '@weft/core'
import { signToken } from '@weft/peer'
import { temporaryDirectory } from '../base/temporary.js'
import { audit } from './auditor.js'
import type { Ack, Connection, Inspected, Inspection, Job } from './ipc.js'
import { Pool } from './pool.js'
import { PeerProcess } from './processes.js'
import { type Attempt, type MergedRun, Supervisor } from './supervisor.js'
import type { FanOut } from './traces.js'

export interface ReplayOptions {
  readonly fanOuts: readonly FanOut[]
  readonly workers: number
  readonly killWorker: boolean
  readonly killPeer: boolean
  readonly onProgress: (progress: Progress) => void
  /** Ends everything, and cleans up. */
  readonly signal: AbortSignal
}

export interface Progress {
  readonly phase: string
  readonly acked: number
  readonly attemptsDone: number
  readonly attempts: number
}

/** What a replay found. Counts of workflows, branches and entries are those of each tenant: both play the same file. */
export interface ReplayReport {
  readonly tenants: number
  readonly workflows: number
  readonly branches: number
  readonly entries: number
  /** Acknowledged changes, of all tenants. */
  readonly acked: number
  readonly ackedLost: number
  readonly replicas: number
  readonly digestsEqual: boolean
  readonly foreignBytes: number
  readonly causal: boolean
  /** Every attempt's messages are there, each once, in order. */
  readonly complete: boolean
  readonly timeTravel: boolean
  readonly conflicts: number
  readonly staleReads: number
  /** Branches handed over to a worker and back, each checked before the first read. */
  readonly handoffs: number
  readonly workerKilled: string | null
  readonly resumedBy: string | null
  readonly peerKilled: boolean
  readonly phases: Readonly<Record<string, number>>
  readonly seconds: number
  readonly ok: boolean
  readonly merged: readonly MergedRun[]
}

const TENANTS = ['acme', 'globex'] as const
const TOKEN_SECONDS = 3_600
const DARK_MS = 150

/** Replays recorded fan-outs on a peer and workers in processes of their own, kills some, and checks what is left. */
export async function runReplay(options: ReplayOptions): Promise<ReplayReport> {
  const directory = temporaryDirectory('weft-replay-')
  const replay = new Replay(options, directory)
  try {
    return await Promise.race([replay.run(), aborted(options.signal)])
  } finally {
    await replay.end()
    await rm(directory, { recursive: true, force: true })
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw new WeftError('WEFT_ABORTED', 'the replay was interrupted', 'run it again; its data is gone')
}

class Replay {
  readonly #peer: PeerProcess
  readonly #secret = randomBytes(32).toString('hex')
  readonly #acks: Ack[] = []
  readonly #phases: Record<string, number> = {}
  readonly #started = performance.now()
  #pool: Pool | undefined
  #supervisor: Supervisor | undefined
  #phase = 'start'
  #attemptsDone = 0
  #workerKilled: string | null = null
  #resumedBy: string | null = null
  #peerDown: Promise<void> | undefined

  constructor(
    private readonly options: ReplayOptions,
    directory: string,
  ) {
    this.#peer = new PeerProcess(join(directory, 'data'), this.#secret)
  }

  async run(): Promise<ReplayReport> {
    const connection = await this.#timed('start', () => this.#start())
    const supervisor = this.#supervisor!
    const pool = this.#pool!
    const attempts = await this.#timed('fork', () => supervisor.begin(this.options.fanOuts))
    await this.#timed('play', async () => {
      await pool.play(this.#jobs(attempts))
      if (this.options.killPeer) this.#peerDown ??= this.#killPeer()
      await this.#peerDown
    })
    const merged = await this.#timed('merge', () => supervisor.merge())
    const contexts = merged.map(({ tenant, workflow, position }) => ({ tenant, workflow, position }))
    return this.#timed('check', () => this.#check(connection, contexts, merged))
  }

  async end(): Promise<void> {
    await this.#pool?.kill()
    await this.#supervisor?.discard()
    await this.#peer.stop()
  }

  async #start(): Promise<Connection> {
    await this.#peer.start()
    const tenants = await Promise.all(
      TENANTS.map(async tenant => ({
        tenant,
        token: await signToken(this.#secret, { tenant, scopes: ['read', 'write'], lifetime: TOKEN_SECONDS }),
        mark: `${tenant}-${randomUUID()}`,
      })),
    )
    const connection = { url: this.#peer.url, tenants }
    const acked = (acks: readonly Ack[]): void => this.#acked(acks)
    this.#supervisor = await Supervisor.connect(connection, acked)
    this.#pool = new Pool(connection, this.options.workers, {
      acked,
      killed: agent => {
        this.#workerKilled = agent
      },
      resumed: agent => {
        this.#resumedBy ??= agent
      },
      done: ({ tenant }, handoff) => {
        this.#supervisor?.handedBack(tenant, handoff)
        this.#attemptsDone++
        this.#progress()
      },
    })
    return connection
  }

  /** The longest attempt is the one whose worker is killed, halfway through. */
  #jobs(attempts: readonly Attempt[]): Job[] {
    const longest = attempts.reduce(
      (most, { messages }, at) => (messages.length > attempts[most]!.messages.length ? at : most),
      0,
    )
    return attempts.map((attempt, number) => {
      const { length } = attempt.messages
      const stops = this.options.killWorker && number === longest && length > 0
      return { ...attempt, number, stopAt: stops ? Math.floor(length / 2) : undefined }
    })
  }

  #acked(acks: readonly Ack[]): void {
    this.#acks.push(...acks)
    this.#progress()
    const halfway = this.#phase === 'play' && this.#acks.length * 2 >= this.#expectedChanges()
    if (this.options.killPeer && halfway) this.#peerDown ??= this.#killPeer()
  }

  async #killPeer(): Promise<void> {
    await this.#peer.kill()
    await sleep(DARK_MS)
    await this.#peer.start()
  }

  #expectedChanges(): number {
    const messages = this.options.fanOuts.flatMap(({ shared, attempts }) => [
      shared.length,
      ...attempts.map(attempt => attempt.messages.length),
    ])
    return TENANTS.length * messages.reduce((sum, count) => sum + count, 0)
  }

  async #check(
    connection: Connection,
    contexts: readonly Inspection[],
    merged: readonly MergedRun[],
  ): Promise<ReplayReport> {
    const { fanOuts, killWorker, killPeer } = this.options
    const [workers, supervisor, { inspected, ackedLost, entries }] = await Promise.all([
      this.#pool!.inspect(contexts),
      this.#supervisor!.inspect(contexts),
      audit(connection, contexts, this.#acks),
    ])
    const all = [...workers.flat(), ...supervisor, ...inspected]
    const found = {
      tenants: TENANTS.length,
      workflows: fanOuts.length,
      branches: fanOuts.reduce((sum, { attempts }) => sum + attempts.length, 0),
      entries: entries / TENANTS.length,
      acked: this.#acks.length,
      ackedLost: ackedLost.length,
      replicas: (workers.length + 2) * TENANTS.length,
      digestsEqual: digestsAgree(all),
      foreignBytes: all.reduce((sum, each) => sum + each.foreignBytes, 0),
      causal: all.every(each => each.causal),
      complete: merged.every(run => run.complete),
      timeTravel: merged.every(run => run.timeTravel),
      conflicts: merged.reduce((sum, run) => sum + run.conflicts.length, 0),
      staleReads: merged.reduce((sum, run) => sum + run.staleReads.length, 0),
      handoffs: this.#attemptsDone * 2,
      workerKilled: this.#workerKilled,
      resumedBy: this.#resumedBy,
      peerKilled: this.#peerDown !== undefined,
    }
    const held = found.ackedLost === 0 && found.digestsEqual && found.foreignBytes === 0 && found.causal
    const killed = (!killWorker || found.resumedBy !== null) && (!killPeer || found.peerKilled)
    const seconds = Math.round(performance.now() - this.#started) / 1000
    const ok = held && found.complete && found.timeTravel && killed && found.acked > 0
    return { ...found, phases: this.#phases, seconds, ok, merged }
  }

  async #timed<T>(phase: string, work: () => Promise<T>): Promise<T> {
    this.#phase = phase
    this.#progress()
    const started = performance.now()
    const result = await work()
    this.#phases[phase] = Math.round(performance.now() - started) / 1000
    return result
  }

  #progress(): void {
    const attempts =
      TENANTS.length * this.options.fanOuts.reduce((sum, { attempts }) => sum + attempts.length, 0)
    this.options.onProgress({
      phase: this.#phase,
      acked: this.#acks.length,
      attemptsDone: this.#attemptsDone,
      attempts,
    })
  }
}

/** Whether every replica of a context has the same digest, and no context of one tenant that of another's. */
function digestsAgree(all: readonly Inspected[]): boolean {
  const digests = new Map<string, Set<string>>()
  for (const { tenant, workflow, digest } of all) {
    const key = JSON.stringify([tenant, workflow])
    const seen = digests.get(key)
    if (seen) seen.add(digest)
    else digests.set(key, new Set([digest]))
  }
  const firsts = [...digests.values()].flatMap(seen => [...seen])
  return [...digests.values()].every(seen => seen.size === 1) && new Set(firsts).size === digests.size
}
