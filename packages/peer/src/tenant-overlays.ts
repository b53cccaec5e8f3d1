import {
  type ChangeId,
  type Clock,
  decodeChange,
  type Hash,
  OVERLAY_WORKFLOW,
  type OverlayHolder,
  OverlayLeases,
  Overlays,
  type Position,
  type TenantStore,
  wholeLog,
} from '@weft/core'

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
    const inForce = await readOverlays(store, host.hash).catch((error: unknown) => new Overlays(error))
    return new TenantOverlays(inForce, host.clock, new OverlayLeases(host.overlay_lease_ms, host.started_ms))
  }

  /** Somebody may begin a step by what it was told here. */
  get reliedOn(): boolean {
    return this.#leases.lastUntil_ms > this.clock.now()
  }

  /** As `OverlayLeases.confirm`; who knows another log than this one knows nothing. */
  confirm(
    { connection, name }: OverlayAsker,
    log: OverlayLog,
    position: Position,
    last: ChangeId | '',
  ): number {
    if (!log.holds(position, last)) return 0
    const ttl_ms = this.#leases.confirm(connection, name, position, log.count, this.clock.now())
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
    const deadline_ms = this.clock.now() + timeout_ms
    return new Promise(resolve => {
      let cancel = (): void => {}
      const look = (): void => {
        cancel()
        const now_ms = this.clock.now()
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

async function readOverlays(store: TenantStore, hash: Hash): Promise<Overlays> {
  const overlays = new Overlays()
  for await (const records of wholeLog(store, OVERLAY_WORKFLOW, hash)) {
    for (const { position, bytes } of records) overlays.add(decodeChange(bytes, hash).header, position)
  }
  return overlays
}
