import { connect, type Replica, type ReplicaEvent } from '@weft/replica'
import type { Issuer } from './credentials.js'
import type { Dice } from './dice.js'
import { hostOf } from './host.js'
import type { SimNetwork } from './network.js'
import { type Skew, SimProcess } from './process.js'
import type { Scheduler } from './scheduler.js'
import { SIM_LIMITS } from './sim-limits.js'

/** One run of a worker, from its start to its crash. */
export interface WorkerRun {
  readonly tenant: string
  readonly host: string
  readonly process: SimProcess
  readonly replica: Replica
  /** How often the worker had been started before. */
  readonly attempt: number
}

export type WorkerProgram = (run: WorkerRun) => void

/** A host on which a worker of a tenant runs, one process after the other: a crash takes all of its memory. */
export class SimWorker {
  #run: WorkerRun | undefined
  #starts = 0

  constructor(
    readonly tenant: string,
    readonly host: string,
    private readonly scheduler: Scheduler,
    private readonly network: SimNetwork,
    private readonly issuer: Issuer,
    private readonly dice: Dice,
    private readonly program: WorkerProgram,
    private readonly onEvent: (run: WorkerRun, event: ReplicaEvent) => void,
  ) {}

  get run(): WorkerRun | undefined {
    return this.#run
  }

  async start(skew: Skew): Promise<void> {
    const attempt = this.#starts++
    const name = `${this.host}#${attempt + 1}`
    const process = new SimProcess(this.host, name, this.scheduler, this.dice.apart(name), skew)
    const replica = await connect({
      url: 'ws://peer.invalid',
      token: () => this.issuer.tokenOf(this.tenant, this.host),
      client: name,
      overlays: true,
      offline: true,
      ping_ms: SIM_LIMITS.ping_ms,
      host: hostOf(process, () => this.network.dial(process)),
      onEvent: event => this.#run && this.onEvent(this.#run, event),
    })
    this.#run = { tenant: this.tenant, host: this.host, process, replica, attempt }
    this.program(this.#run)
  }

  kill(): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    run.process.kill()
    this.network.vanished(run.process)
  }
}
