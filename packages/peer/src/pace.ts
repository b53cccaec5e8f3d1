import type { Clock, TenantId } from '@weft/core'
import { type Rates, tooFast } from './rates.js'

/** How one connection keeps to the rate of its tenant: it waits, and not for too long. */
export class Pace {
  #since_ms: number | undefined
  #isDue = false

  constructor(
    private readonly clock: Clock,
    private readonly rates: Rates,
    private readonly wait_ms_max: number,
  ) {}

  /**
   * Whether changes of a tenant may be taken now; if not `wake` is called when they may, about.
   * @param waits called when it begins to wait
   * @throws WEFT_QUOTA_RATE when they have waited too long
   */
  mayTake(tenant: TenantId, wake: () => void, waits: () => void): boolean {
    const now_ms = this.clock.steady()
    const wait_ms = this.rates.bucket(tenant, now_ms).wait_ms(now_ms)
    if (wait_ms === 0) {
      this.#since_ms = undefined
      return true
    }
    if (this.#since_ms === undefined) waits()
    this.#since_ms ??= now_ms
    const waited_ms = now_ms - this.#since_ms
    if (waited_ms > this.wait_ms_max) throw tooFast(waited_ms)
    this.#wakeIn(wait_ms, wake)
    return false
  }

  took(tenant: TenantId, count: number): void {
    const now_ms = this.clock.steady()
    this.rates.bucket(tenant, now_ms).take(count, now_ms)
  }

  #wakeIn(wait_ms: number, wake: () => void): void {
    if (this.#isDue) return
    this.#isDue = true
    this.clock.after(wait_ms, () => {
      this.#isDue = false
      wake()
    })
  }
}
