import { WeftError } from '@weft/core'
import { type DroppedTenant, InlineTrial, type PeerLimits, peerMetrics, PeerService } from '@weft/peer'
import { openStoreOn } from '@weft/store-level'
import { pino } from 'pino'
import { sessionSigner, verifyToken } from './credentials.js'
import type { Dice } from './dice.js'
import type { SimDisk } from './disk.js'
import { sha256 } from './host.js'
import { SimLevel } from './level.js'
import type { SimNetwork } from './network.js'
import { type Skew, SimProcess } from './process.js'
import type { Scheduler } from './scheduler.js'
import { SIM_LIMITS } from './sim-limits.js'

const log = pino({ level: 'silent' })
const metrics = peerMetrics({
  connections: () => 0,
  contexts: () => 0,
  quarantined: () => 0,
  pageBytes: () => 0,
  feeds: () => 0,
  parked: () => 0,
  ready: () => true,
  oldestWrite_ms: () => 0,
  scratch: () => ({ rooms: 0, connections: 0, bytes: 0 }),
})

/** The peer of a world: the production service, on a simulated disk, one process after the other. */
export class SimPeer {
  #process: SimProcess | undefined
  #service: PeerService | undefined
  /** Rejects when the process is killed. */
  #died = new Promise<never>(() => {})
  #hangUp = (): void => {}
  #starts = 0

  constructor(
    private readonly scheduler: Scheduler,
    private readonly network: SimNetwork,
    readonly disk: SimDisk,
    private readonly dice: Dice,
    private readonly limits: PeerLimits = SIM_LIMITS,
  ) {}

  get process(): SimProcess | undefined {
    return this.#process
  }

  get isUp(): boolean {
    return this.#process !== undefined
  }

  /** Begins a process, which opens the store and then listens; a store that cannot be opened is tried again. */
  start(skew: Skew): void {
    const name = `peer#${++this.#starts}`
    const process = new SimProcess('peer', name, this.scheduler, this.dice.apart(name), skew)
    this.#process = process
    this.#died = new Promise((_, reject) => {
      this.#hangUp = () => reject(hungUp(name))
    })
    this.#died.catch(() => {})
    void this.#serve(process)
  }

  /** Ends it as `kill -9` does. */
  kill(): void {
    const process = this.#process
    if (process === undefined) return
    this.#process = undefined
    process.kill()
    this.network.vanished(process)
    this.#hangUp()
  }

  /** Asks the running process to drop a tenant. @throws as `PeerService.drop` · WEFT_PEER_UNREACHABLE when it dies meanwhile */
  drop(tenant: string): Promise<DroppedTenant> {
    return Promise.race([this.#service!.drop(tenant), this.#died])
  }

  async #serve(process: SimProcess): Promise<void> {
    const { clock, dice } = process
    const service = new PeerService(
      {
        openStore: () =>
          openStoreOn(new SimLevel(this.disk, process), {
            name: 'disk',
            isOld: this.disk.rows.length > 0,
          }),
        verify: verifyToken,
        sessions: sessionSigner,
        limits: this.limits,
        metrics,
        log,
        clock,
        soon: fn => void clock.after(0, fn),
        hash: sha256,
        random: (target, at, length) => dice.fill(target, at, length),
        trial: new InlineTrial(sha256, this.limits.trial_bytes_max),
      },
      { opened: () => {}, advanced: () => {}, letGo: () => {}, dropped: () => {}, failed: () => {} },
    )
    this.#service = service
    while (!process.isDead) {
      try {
        await service.start()
        break
      } catch {
        await process.sleep(START_AGAIN_MS)
      }
    }
    if (!process.isDead) this.network.listen(process, socket => service.accept(socket))
  }
}

const START_AGAIN_MS = 60

function hungUp(name: string): WeftError {
  return new WeftError('WEFT_PEER_UNREACHABLE', `${name} has died`, 'ask the next one')
}
