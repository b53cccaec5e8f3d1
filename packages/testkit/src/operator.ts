import { isWeftError } from '@weft/core'
import type { DroppedTenant } from '@weft/peer'
import type { Issuer } from './credentials.js'
import type { Dice } from './dice.js'
import type { SimDisk } from './disk.js'
import { keysOf } from './disk-watch.js'
import type { SimNetwork } from './network.js'
import type { Observation } from './observation.js'
import type { SimProcess } from './process.js'
import type { Scheduler } from './scheduler.js'
import type { SimPeer } from './sim-peer.js'

/** What an operator has before them. */
export interface Operated {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly disk: SimDisk
  readonly peer: SimPeer
  readonly issuer: Issuer
  readonly tenantOf: (worker: SimProcess) => string
  readonly see: (observation: Observation) => void
  /** A drop ended with what nobody has to expect. */
  readonly broke: (error: unknown) => void
}

/** Long enough for workers to come back to a peer that has begun anew. */
const AGAIN_MS = { least: 5, most: 600 }

/** Whoever has a tenant dropped: they ask until they are told that it is done. */
export class Operator {
  readonly #asked = new Set<string>()
  #onDone: (() => void) | undefined

  constructor(private readonly world: Operated) {}

  /** Whether all that they have asked for is done. */
  get isDone(): boolean {
    return this.#asked.size === 0
  }

  /** Resolves when it is. */
  done(): Promise<void> {
    return new Promise(resolve => {
      this.#onDone = resolve
    })
  }

  /** @param done called when it is done */
  drop(tenant: string, dice: Dice, done: () => void): void {
    if (this.#asked.has(tenant)) return
    this.#asked.add(tenant)
    this.#ask(tenant, dice, done)
  }

  #ask(tenant: string, dice: Dice, done: () => void): void {
    const { scheduler, network, peer, tenantOf, see, broke } = this.world
    const again = (): void => {
      const after_ms = dice.between(AGAIN_MS.least, AGAIN_MS.most)
      scheduler.plan(after_ms, `drop ${tenant}`, () => this.#ask(tenant, dice, done))
    }
    const { process } = peer
    if (process === undefined || process.isFrozen) {
      again()
      return
    }
    const connected = network.connectedTo(process).filter(worker => tenantOf(worker) === tenant)
    see({ saw: 'dropping', tenant, connected: connected.map(({ name }) => name) })
    peer.drop(tenant).then(
      dropped => {
        this.#told(tenant, dropped, process.clock.now())
        done()
      },
      error => {
        see({ saw: 'undropped', tenant })
        if (!isWeftError(error) || error.code === 'WEFT_INTERNAL') broke(error)
        again()
      },
    )
  }

  #told(tenant: string, { workflows, changes }: DroppedTenant, peer_ms: number): void {
    const { disk, issuer, see } = this.world
    this.#asked.delete(tenant)
    issuer.dropped(tenant, peer_ms)
    see({ saw: 'dropped', tenant, workflows, changes, rows: keysOf(disk.durable, tenant) })
    if (this.isDone) this.#onDone?.()
  }
}
