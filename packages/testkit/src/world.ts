import { OVERLAY_WORKFLOW } from '@weft/core'
import type { ReplicaEvent } from '@weft/replica'
import { Court, type Checker, type Violation } from './checker.js'
import { allCheckers } from './checkers/index.js'
import { Decoder } from './decoder.js'
import { Dice } from './dice.js'
import { type Rows, SimDisk } from './disk.js'
import { tenantOfRow, watchDisk, watchLoss } from './disk-watch.js'
import { FAULT_EVERY_MS, FAULTS, type Fault, type FaultKind } from './faults.js'
import { Issuer } from './credentials.js'
import { inspect } from './inspection.js'
import { Nemesis } from './nemesis.js'
import { SimNetwork } from './network.js'
import { Operator } from './operator.js'
import { type Observation, type Place, placeOf } from './observation.js'
import { RATE_REST_MS, rateLimits } from './rates.js'
import { type Log, readLogs } from './read-logs.js'
import { Scheduler } from './scheduler.js'
import { NO_SKEW, SimProcess } from './process.js'
import { SIM_LIMITS } from './sim-limits.js'
import { SimPeer } from './sim-peer.js'
import { SimWorker, type WorkerProgram, type WorkerRun } from './sim-worker.js'
import { Wiretap } from './wiretap.js'

export interface WorldOptions {
  readonly seed: number
  /** Default: all. */
  readonly faults?: readonly FaultKind[]
  /** About so far are two faults apart. */
  readonly faultEvery_ms?: number
  /** Faults that are left out, by their index. */
  readonly skip?: ReadonlySet<number>
  /** Workers by tenant. */
  readonly workers: Readonly<Record<string, number>>
  readonly checkers?: readonly Checker[]
  /** Whether each tenant may write only so fast; default: as fast as it can. */
  readonly rates?: boolean
  /** Whether the trace is kept in words too. */
  readonly keepTrace?: boolean
}

/** What is run on the workers of a world. */
export interface Program {
  begin: WorkerProgram
  /** Begins nothing any more, and is not begun with either on a worker that starts later. */
  stop(): void
  /** When all faults are mended: resolves when all that a worker wrote is durable. */
  flush(run: WorkerRun): Promise<void>
  /** When nothing is under way any more: says what a worker holds, once that is all that the logs of its tenant do. */
  tell(run: WorkerRun, logs: readonly Log[]): Promise<void>
}

const SETTLE_STEPS_MAX = 20_000
/** Until every worker that had to be started anew has been, and what was broken under way is known to be. */
const MEND_MS = 250
const REST_MS = 100

/**
 * A peer and the workers of some tenants, in one thread and in virtual time: the production code of both, on a network
 * and a disk that do what one seed says. What they do is seen by checkers and hashed into a trace.
 */
export class World {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly disk: SimDisk
  readonly peer: SimPeer
  readonly workers: readonly SimWorker[]
  readonly court: Court
  readonly issuer: Issuer
  readonly operator: Operator
  /** Where something was ever durable. */
  readonly #places = new Set<Place>()
  readonly #nemesis: Nemesis
  readonly #dice: Dice

  constructor(
    readonly options: WorldOptions,
    private readonly program: Program,
  ) {
    const { seed, faults = FAULTS, faultEvery_ms = FAULT_EVERY_MS, skip = new Set(), keepTrace } = options
    this.#dice = new Dice(seed)
    this.court = new Court(options.checkers ?? allCheckers())
    this.scheduler = new Scheduler(keepTrace)
    const { scheduler, court } = this
    const tenants = new Map(hostsOf(options.workers))
    const tenantOf = ({ host }: SimProcess): string => tenants.get(host)!
    const decoder = new Decoder()
    const tap = new Wiretap(tenantOf, decoder, () => scheduler.now_ms, court.see)
    this.network = new SimNetwork(scheduler, this.#dice.apart('network'), tap)
    this.disk = new SimDisk(scheduler, this.#dice.apart('disk'), watchDisk(decoder, court.see))
    this.issuer = new Issuer(scheduler, this.#dice.apart('issuer'), faults.includes('expiry'))
    const limits = {
      ...SIM_LIMITS,
      ...(options.rates && rateLimits(Object.keys(options.workers), this.#dice.apart('rates'))),
    }
    this.peer = new SimPeer(scheduler, this.network, this.disk, this.#dice.apart('peer'), limits)
    this.workers = [...tenants].map(
      ([host, tenant]) =>
        new SimWorker(
          tenant,
          host,
          scheduler,
          this.network,
          this.issuer,
          this.#dice.apart(host),
          run => program.begin(run),
          (run, event) => this.#happened(run, event),
        ),
    )
    this.operator = new Operator({
      ...{ scheduler, network: this.network, disk: this.disk, peer: this.peer, issuer: this.issuer },
      tenantOf,
      see: court.see,
      broke: error =>
        court.report('world', 'CHG-5', `a drop ended with what nobody expects: ${String(error)}`),
    })
    this.observe(seen => void (seen.saw === 'durable' && this.#places.add(seen.at)))
    this.#nemesis = new Nemesis(this, this.#dice.apart('nemesis'), faults, faultEvery_ms, skip)
  }

  get violations(): readonly Violation[] {
    return this.court.violations
  }

  get faults(): readonly Fault[] {
    return this.#nemesis.happened
  }

  /** Also tells somebody else what is seen. */
  observe(observer: (observation: Observation) => void): void {
    this.court.observers.push(observer)
  }

  /** Runs something on a worker that remembers nothing, in a world that has come to rest. @throws what that throws, and when it does not end */
  async last(act: (run: WorkerRun) => Promise<void>): Promise<void> {
    const [worker] = this.workers
    worker!.kill()
    this.#nemesis.startWorker(worker!, this.#dice.apart('last'))
    await this.scheduler.turn()
    const outcome = await this.#outcome(() => act(worker!.run!))
    if (outcome === undefined) throw new Error(`it did not come to its end within ${SETTLE_STEPS_MAX} steps`)
    if ('error' in outcome) throw outcome.error
  }

  begin(): void {
    const dice = this.#dice.apart('begin')
    this.peer.start(this.#nemesis.skew(dice))
    for (const worker of this.workers) this.#nemesis.startWorker(worker, dice)
    this.#nemesis.begin()
  }

  /** Lets things happen until so many have, or a law is broken, or `isDone`. */
  async run(steps: number, isDone = () => false): Promise<void> {
    const { scheduler } = this
    while (scheduler.steps < steps && this.violations.length === 0 && !isDone())
      if (!(await scheduler.turn())) return
  }

  /** One bit on the disk is another. */
  flip(dice: Dice): void {
    const key = this.disk.flip(dice)
    const tenant = key && tenantOfRow(key)
    if (!tenant) return
    const [, kind, workflow] = key.split('\0')
    this.court.see({ saw: 'flipped', tenant, isOverlay: kind === 'l' && workflow === OVERLAY_WORKFLOW })
  }

  /** Reads all that lies on the disk, as a backup does. */
  inspect(): void {
    const process = new SimProcess('backup', 'backup', this.scheduler, this.#dice.apart('backup'), NO_SKEW)
    inspect(this.disk, process, this.court.see).catch(error =>
      this.court.report('world', 'CHG-5', `a backup ended with what nobody expects: ${String(error)}`),
    )
  }

  /** Puts a backup in the place of what is on the disk. */
  rollBack(backup: Rows): void {
    watchLoss(this.court.see)(this.disk.rollBack(backup))
  }

  /** Mends everything, lets the world come to rest, and judges what is left. */
  async settle(): Promise<void> {
    if (this.violations.length > 0) return
    this.program.stop()
    this.issuer.heal()
    this.#nemesis.heal()
    // A tenant that was dropped comes back when its workers are given tokens that are good.
    if (!this.operator.isDone) await this.#within(() => this.operator.done())
    await this.#rest(this.issuer.wait_ms + MEND_MS)
    await this.#all(async run => {
      await this.program.flush(run)
    })
    // What was proposed and then given up on is in no queue that could be flushed: who is away offers it when it is back.
    await this.#until(() => this.workers.every(({ run }) => run?.replica.online))
    await this.#rest(REST_MS + (this.options.rates ? RATE_REST_MS : 0))
    const logs = (await this.#within(async () => readLogs(this.disk, this.peer.process!))) ?? []
    await this.#beginAnew()
    await this.#all(run =>
      this.program.tell(
        run,
        logs.filter(({ at }) => at.tenant === run.tenant),
      ),
    )
    if (this.violations.length > 0) return
    const ids = new Map(logs.map(log => [log.at, log.ids]))
    for (const at of new Set([...this.#places, ...ids.keys()]))
      this.court.see({ saw: 'log', at, ids: ids.get(at) ?? [] })
  }

  /** One worker of each tenant forgets everything: what it will hold is what the peer has. */
  async #beginAnew(): Promise<void> {
    const firsts = Object.keys(this.options.workers).map(
      tenant => this.workers.find(each => each.tenant === tenant)!,
    )
    for (const worker of firsts) {
      worker.kill()
      this.#nemesis.startWorker(worker, this.#dice.apart('anew'))
    }
    await this.scheduler.turn()
  }

  async #rest(ms: number): Promise<void> {
    const until_ms = this.scheduler.elapsed_ms + ms
    this.scheduler.plan(ms, 'rest', () => {})
    await this.#until(() => this.scheduler.elapsed_ms >= until_ms)
  }

  async #all(act: (run: WorkerRun) => Promise<void>): Promise<void> {
    await this.#within(async () => {
      await Promise.all(this.workers.map(async ({ run }) => run && act(run)))
    })
  }

  /** Lets things happen until what is done is done. */
  async #within<T>(act: () => Promise<T>): Promise<T | undefined> {
    if (this.violations.length > 0) return undefined
    const outcome = await this.#outcome(act)
    if (outcome !== undefined && 'value' in outcome) return outcome.value
    const why = outcome === undefined ? `not within ${SETTLE_STEPS_MAX} steps` : String(outcome.error)
    if (this.violations.length === 0)
      this.court.report('world', 'DUR-5', `all is well again, and the world does not come to rest: ${why}`)
    return undefined
  }

  async #outcome<T>(act: () => Promise<T>): Promise<Outcome<T> | undefined> {
    let outcome: Outcome<T> | undefined
    const settled = (come: typeof outcome): void => {
      outcome = come
    }
    act().then(
      value => settled({ value }),
      error => settled({ error }),
    )
    await this.#until(() => outcome !== undefined)
    return outcome
  }

  async #until(isSo: () => boolean): Promise<void> {
    await this.run(this.scheduler.steps + SETTLE_STEPS_MAX, isSo)
  }

  #happened(run: WorkerRun, event: ReplicaEvent): void {
    const { tenant, process } = run
    if (event.type === 'refused') {
      const withdrawn = event.error.details.withdrawn as readonly { readonly change: string }[] | undefined
      const ids = withdrawn?.map(({ change }) => change) ?? []
      this.court.see({ saw: 'withdrawn', at: placeOf(tenant, event.workflow), process: process.name, ids })
    }
    if (event.type !== 'failed') return
    // Whoever is told that it will never be let in is started anew by those who run it.
    const worker = this.workers.find(({ host }) => host === run.host)!
    this.scheduler.plan(0, `failed ${run.host}`, () => {
      if (worker.run === run) this.#nemesis.restartWorker(worker, process.dice.apart('restart'))
    })
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

function hostsOf(workers: Readonly<Record<string, number>>): [host: string, tenant: string][] {
  return Object.entries(workers).flatMap(([tenant, count]) =>
    Array.from({ length: count }, (_, index): [string, string] => [`${tenant}-${index + 1}`, tenant]),
  )
}
