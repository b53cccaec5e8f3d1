import {
  type Change,
  type ChangeGate,
  type ChangeId,
  type Clock,
  checkRevocations,
  type Hash,
  NOTHING_REVOKED,
  OVERLAY_WORKFLOW,
  type OverlayHolder,
  OverlayLeases,
  Overlays,
  overlayGate,
  type Position,
  REVOCATIONS_OVERLAY,
  type Revocations,
  type TenantStore,
  type WorkflowId,
  wholeLog,
} from '@weft/core'
import { isDamage } from '../base/log-errors.js'

/** What is known of the log of overlays, to see whether somebody knows all of it. */
export interface OverlayLog {
  readonly count: Position
  holds(position: Position, last: ChangeId | ''): boolean
}

/** Who asks: one connection, and how people call it. */
export interface OverlayAsker {
  readonly connection: number
  readonly name: string
}

export interface OverlayHost {
  readonly hash: Hash
  readonly clock: Clock
  /** When the peer began, ms since 1970 UTC. */
  readonly started_ms: number
  /** How long somebody may rely on what was current. */
  readonly overlay_lease_ms: number
}

/**
 * The overlays of one tenant that are in force, read once from their log, and who may rely on knowing them. It is to be
 * kept as long as anybody may: nothing on disk says who.
 */
export class TenantOverlays {
  readonly #leases: OverlayLeases
  #revocations: Revocations = NOTHING_REVOKED
  /** Why it is not known what is revoked. */
  #unknown: unknown
  readonly #waiting = new Set<() => void>()
  #looking = false

  private constructor(
    readonly inForce: Overlays,
    private readonly clock: Clock,
    leases: OverlayLeases,
  ) {
    this.#leases = leases
  }

  /** Never rejects: of a tenant whose log of overlays cannot be read, nothing is committed that may depend on it. */
  static async open(store: TenantStore, host: OverlayHost): Promise<TenantOverlays> {
    const leases = () => new OverlayLeases(host.overlay_lease_ms, host.started_ms)
    const overlays = new TenantOverlays(new Overlays(), host.clock, leases())
    try {
      await overlays.#read(store, host.hash)
      return overlays
    } catch (cause) {
      const unread = new TenantOverlays(new Overlays(cause), host.clock, leases())
      // Damage must not let back in what was revoked, nor keep the tenant from what is sound (DUR-4). But a disk that does
      // not answer now must not let anybody in.
      if (isDamage(cause)) await unread.#readRevocations(store)
      else unread.#unknown = cause
      return unread
    }
  }

  /** What of the tenant's tokens is revoked; of a log that is damaged, what can be read of it. @throws WEFT_STORE_FAILED */
  get revocations(): Revocations {
    if (this.#unknown !== undefined) throw this.#unknown
    return this.#revocations
  }

  /** What the tenant's overlays ask of the changes of one of its logs; their own log is what makes them. */
  gate(workflow: WorkflowId): ChangeGate {
    const gate = overlayGate(this.inForce, workflow)
    if (workflow !== OVERLAY_WORKFLOW) return gate
    return {
      check: change => {
        gate.check(change)
        revocationsIn(change)
      },
      admitted: (change, position) => {
        gate.admitted(change, position)
        this.#learn(change)
      },
    }
  }

  /** Somebody may begin a step by what it was told here. */
  get reliedOn(): boolean {
    return this.#leases.lastUntil_ms > this.clock.steady()
  }

  /** As `OverlayLeases.confirm`; who knows another log than this one knows nothing. */
  confirm(
    { connection, name }: OverlayAsker,
    log: OverlayLog,
    position: Position,
    last: ChangeId | '',
  ): number {
    if (!log.holds(position, last)) return 0
    const ttl_ms = this.#leases.confirm(connection, name, position, log.count, this.clock.steady())
    this.#lookSoon()
    return ttl_ms
  }

  seen({ connection }: OverlayAsker, position: Position): void {
    this.#leases.seen(connection, position)
    this.#lookSoon()
  }

  leave({ connection }: OverlayAsker): void {
    this.#leases.leave(connection)
    this.#lookSoon()
  }

  /**
   * Resolves when nobody can begin a step without knowing the log up to `position`, or when the time is up.
   * @returns who still can
   */
  barrier(position: Position, timeout_ms: number): Promise<OverlayHolder[]> {
    const deadline_ms = this.clock.steady() + timeout_ms
    return new Promise(resolve => {
      let cancel = (): void => {}
      const look = (): void => {
        cancel()
        const now_ms = this.clock.steady()
        const behind = this.#leases.behind(position, now_ms)
        if (behind.length === 0 || now_ms >= deadline_ms) {
          this.#waiting.delete(look)
          resolve(behind)
          return
        }
        const next_ms = behind.reduce((least, { until_ms }) => Math.min(least, until_ms), deadline_ms)
        cancel = this.clock.after(next_ms - now_ms, look)
      }
      this.#waiting.add(look)
      look()
    })
  }

  async #read(store: TenantStore, hash: Hash): Promise<void> {
    for await (const records of wholeLog(store, OVERLAY_WORKFLOW, hash)) {
      for (const { position, change } of records) {
        this.inForce.add(change.header, position)
        this.#learn(change)
      }
    }
  }

  /** Of a log that is damaged. Each change that revokes something says all that is revoked: so the last one is enough. */
  async #readRevocations(store: TenantStore): Promise<void> {
    try {
      const last = await store.findLast(OVERLAY_WORKFLOW, ({ change }) => revocationsIn(change) !== undefined)
      if (last) this.#learn(last.change)
    } catch (error) {
      if (!isDamage(error)) this.#unknown = error
    }
  }

  #learn(change: Change): void {
    this.#revocations = revocationsIn(change) ?? this.#revocations
  }

  /** Many confirm at once, and who waits goes through all who are there. */
  #lookSoon(): void {
    if (this.#looking || this.#waiting.size === 0) return
    this.#looking = true
    this.clock.after(0, () => {
      this.#looking = false
      for (const look of this.#waiting) look()
    })
  }
}

/** @throws WEFT_SCHEMA_REFUSED for what bears the name and is none */
function revocationsIn(change: Change): Revocations | undefined {
  if (change.header.notes.publishes?.name !== REVOCATIONS_OVERLAY.name) return undefined
  return checkRevocations(change.values()[0])
}
