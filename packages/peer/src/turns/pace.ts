import type { Clock, TenantId, WeftError } from '@weft/core'
import { type Rates, notTaken, tooFast } from '../base/rates.js'

/**
 * How long a peer waits with what is offered on condition: nobody sees it before it is taken, so its author can as well
 * wait with it, or give it up. Less than anybody waits for an answer.
 */
const ON_CONDITION_MS = 250

/** How one connection keeps to the rate of its tenant: it waits, and not for too long. */
export class Pace {
  #since_ms: number | undefined
  #isDue = false
  #isLateDue = false

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

  /**
   * Why a change that was offered on condition is not taken, when it has waited for that long enough; until then `wake` is
   * called to ask again.
   * @param came_ms when its frame came, whatever was before it
   */
  refusal(tenant: TenantId, came_ms: number, wake: () => void): WeftError | undefined {
    const now_ms = this.clock.steady()
    const retry_after_ms = this.rates.bucket(tenant, now_ms).wait_ms(now_ms)
    if (retry_after_ms === 0) return undefined
    const left_ms = came_ms + ON_CONDITION_MS - now_ms
    if (left_ms <= 0) {
      this.#since_ms = undefined
      return notTaken(retry_after_ms)
    }
    if (!this.#isLateDue) {
      this.#isLateDue = true
      this.clock.after(left_ms, () => {
        this.#isLateDue = false
        wake()
      })
    }
    return undefined
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
