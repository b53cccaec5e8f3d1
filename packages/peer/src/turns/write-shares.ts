import type { Clock, TenantId } from '@weft/core'

/** How long whoever has written is there, ms; up to twice as long. */
const WINDOW_MS = 50
/** Who has written no more than so many shares of late writes little. */
const LITTLE_SHARES = 8
/** Between two shares of those who write much it is at least so long, ms, */
const REST_MS = 2
/** and so long when nobody else writes anything. */
const REST_MS_MAX = 4

/** What of one tenant is admitted, and what of that has been written. */
export interface WriteShare {
  admitted(cost: number): void
  written(cost: number): void
}

/**
 * How much of what is to be written next belongs to whom. An acknowledgement waits for the batch that is on its way to
 * the disk, for the next one, and for all that the peer and its store do for others meanwhile. So while a tenant that
 * writes little is there, those who write much have no more than a share of it, all together, and rest between two of
 * them. They get the next one when something of the other tenant is on disk: its worker has its answer then, and asks
 * nothing yet. Among themselves they wait for one another in turns only.
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
  /** Of the share that was opened last. */
  #left = 0
  #opened_ms = Number.NEGATIVE_INFINITY
  #isTimed = false
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

  /** How much more of a tenant may be admitted now; when it is nothing `wake` is called when there may be more. */
  room(tenant: TenantId, wake: () => void): number {
    const now_ms = this.#turnWindow()
    if (this.#littles === 0 || !this.#isMuch(tenant)) return Number.POSITIVE_INFINITY
    if (now_ms - this.#opened_ms >= REST_MS_MAX) this.#open(now_ms)
    const room = Math.min(this.#left, this.share - this.#unwrittenInAll)
    if (room > 0) return room
    // One piece at least: those who write little may be so many that there is never room.
    if (this.#left > 0 && !this.#unwritten.has(tenant)) return 1
    this.#wait(wake, now_ms)
    return 0
  }

  #admitted(tenant: TenantId, cost: number): void {
    this.#turnWindow()
    const wasLittle = this.#isLittle(tenant)
    this.#now.set(tenant, (this.#now.get(tenant) ?? 0) + cost)
    this.#littles += Number(this.#isLittle(tenant)) - Number(wasLittle)
    if (this.#isMuch(tenant)) this.#left -= cost
    this.#unwritten.set(tenant, (this.#unwritten.get(tenant) ?? 0) + cost)
    this.#unwrittenInAll += cost
  }

  #written(tenant: TenantId, cost: number): void {
    const left = this.#unwritten.get(tenant)! - cost
    if (left > 0) this.#unwritten.set(tenant, left)
    else this.#unwritten.delete(tenant)
    this.#unwrittenInAll -= cost
    const now_ms = this.#turnWindow()
    if (!this.#isMuch(tenant) && now_ms - this.#opened_ms >= REST_MS) this.#open(now_ms)
    if (this.#left > 0) this.#wakeAll()
  }

  #open(now_ms: number): void {
    this.#opened_ms = now_ms
    this.#left = this.share
  }

  #wait(wake: () => void, now_ms: number): void {
    this.#waiting.add(wake)
    if (this.#isTimed) return
    this.#isTimed = true
    this.clock.after(this.#opened_ms + REST_MS_MAX - now_ms, () => {
      this.#isTimed = false
      this.#wakeAll()
    })
  }

  #wakeAll(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  #recent(tenant: TenantId): number {
    return (this.#now.get(tenant) ?? 0) + (this.#before.get(tenant) ?? 0)
  }

  #isLittle(tenant: TenantId): boolean {
    return this.#recent(tenant) > 0 && !this.#isMuch(tenant)
  }

  #isMuch(tenant: TenantId): boolean {
    return this.#recent(tenant) > this.#little
  }

  /** @returns what the time is, ms */
  #turnWindow(): number {
    const now_ms = this.clock.steady()
    const windows = Math.floor((now_ms - this.#since_ms) / WINDOW_MS)
    if (windows === 0) return now_ms
    this.#before = windows === 1 ? this.#now : new Map()
    this.#now = new Map()
    this.#since_ms += windows * WINDOW_MS
    this.#littles = 0
    for (const cost of this.#before.values()) if (cost <= this.#little) this.#littles++
    return now_ms
  }
}
