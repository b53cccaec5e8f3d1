import type { Clock, TenantId } from '@weft/core'

/** How long whoever has written is there, ms; up to twice as long. */
const WINDOW_MS = 50
/** Who has written no more than so many shares of late writes little. */
const LITTLE_SHARES = 8

/** What of one tenant is admitted, and what of that has been written. */
export interface WriteShare {
  admitted(cost: number): void
  written(cost: number): void
}

/**
 * How much of what is to be written next belongs to whom. An acknowledgement waits for the batch that is on its way to
 * the disk, for the next one, and for all that the peer and its store do for others meanwhile. So while a tenant that
 * writes little is there, those who write much have no more than a share of it, all together; it is theirs again as
 * soon as it is written. Among themselves they wait for one another in turns only.
 */
export class WriteShares {
  readonly #unwritten = new Map<TenantId, number>()
  #unwrittenInAll = 0
  /** What each admitted in this window, and in the one before. */
  #now = new Map<TenantId, number>()
  #before = new Map<TenantId, number>()
  #since_ms: number
  /** How many tenants write little. */
  #littles = 0
  #waiting = new Set<() => void>()
  readonly #little: number

  /** @param share what those who write much may have to be written while somebody writes little, as turns are measured */
  constructor(
    private readonly clock: Clock,
    private readonly share: number,
  ) {
    this.#since_ms = clock.steady()
    this.#little = LITTLE_SHARES * share
  }

  of(tenant: TenantId): WriteShare {
    return {
      admitted: cost => this.#admitted(tenant, cost),
      written: cost => this.#written(tenant, cost),
    }
  }

  /** How much more of a tenant may be admitted now; when it is nothing `wake` is called once something was written. */
  room(tenant: TenantId, wake: () => void): number {
    this.#turnWindow()
    if (this.#littles === 0 || this.#recent(tenant) <= this.#little) return Number.POSITIVE_INFINITY
    const room = this.share - this.#unwrittenInAll
    if (room > 0) return room
    // One piece at least: those who write little may be so many that there is never room.
    if (!this.#unwritten.has(tenant)) return 1
    this.#waiting.add(wake)
    return 0
  }

  #admitted(tenant: TenantId, cost: number): void {
    this.#turnWindow()
    const wasLittle = this.#isLittle(tenant)
    this.#now.set(tenant, (this.#now.get(tenant) ?? 0) + cost)
    this.#littles += Number(this.#isLittle(tenant)) - Number(wasLittle)
    this.#unwritten.set(tenant, (this.#unwritten.get(tenant) ?? 0) + cost)
    this.#unwrittenInAll += cost
  }

  #written(tenant: TenantId, cost: number): void {
    const left = this.#unwritten.get(tenant)! - cost
    if (left > 0) this.#unwritten.set(tenant, left)
    else this.#unwritten.delete(tenant)
    this.#unwrittenInAll -= cost
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  #recent(tenant: TenantId): number {
    return (this.#now.get(tenant) ?? 0) + (this.#before.get(tenant) ?? 0)
  }

  #isLittle(tenant: TenantId): boolean {
    const recent = this.#recent(tenant)
    return recent > 0 && recent <= this.#little
  }

  #turnWindow(): void {
    const now_ms = this.clock.steady()
    const windows = Math.floor((now_ms - this.#since_ms) / WINDOW_MS)
    if (windows === 0) return
    this.#before = windows === 1 ? this.#now : new Map()
    this.#now = new Map()
    this.#since_ms += windows * WINDOW_MS
    this.#littles = 0
    for (const cost of this.#before.values()) if (cost <= this.#little) this.#littles++
  }
}
