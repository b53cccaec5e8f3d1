import {
  type ChangeId,
  type Clock,
  contextEvent,
  decodeChange,
  type Hash,
  matchesFilter,
  type Position,
  reasonOf,
  webhookSubscription,
} from '@weft/core'
import { cloudEvent } from './cloud-event.js'
import type { ContextLog } from './context-log.js'
import type { PeerLimits } from './limits.js'
import type { Webhook } from './webhook-config.js'
import { postEvent } from './webhook-post.js'

export interface DeliveryHost {
  readonly clock: Clock
  readonly hash: Hash
  readonly limits: PeerLimits
  /** From 0 to below 1. */
  readonly dice: () => number
}

/** How the delivery of a context to a webhook stands. */
export interface DeliveryStatus {
  readonly webhook: string
  readonly workflow: string
  readonly state: 'waiting' | 'retrying' | 'parked'
  /** The position whose event was refused; 0 when none was. */
  readonly position: Position
  readonly failures: number
  readonly reason: string | undefined
}

/** What came of a round: there is nothing more to deliver, or an event is to be offered again later, or by hand alone. */
export type Round =
  | { readonly next: 'none' }
  | { readonly next: 'retry'; readonly after_ms: number }
  | { readonly next: 'parked' }

const READ_BYTES = 262_144
/** At most so many events are told again after the peer was killed. */
const EVENTS_PER_MARK = 64
const BACKOFF_MS_MAX = 300_000
const AGENT = 'weft-peer'

/**
 * The delivery of one context to one webhook: in the order of its log, each event until it is taken. How far it has come
 * is kept in the log itself, as a subscription is.
 */
export class WebhookDelivery {
  readonly subscription: string
  #failures = 0
  #failedAt: Position = 0
  #reason: string | undefined
  #parked = false
  /** Nothing up to here is left to deliver, of the log that has this change there. */
  #passed: { readonly position: Position; readonly id: ChangeId | '' } = { position: 0, id: '' }

  constructor(
    readonly webhook: Webhook,
    readonly workflow: string,
    private readonly host: DeliveryHost,
  ) {
    this.subscription = webhookSubscription(webhook.name)
  }

  get status(): DeliveryStatus {
    const state = this.#parked ? 'parked' : this.#failures > 0 ? 'retrying' : 'waiting'
    const { webhook, workflow } = this
    return {
      webhook: webhook.name,
      workflow,
      state,
      position: this.#failedAt,
      failures: this.#failures,
      reason: this.#reason,
    }
  }

  get isParked(): boolean {
    return this.#parked
  }

  /** A parked delivery is to be tried again, from the event on that was refused. */
  resume(): void {
    this.#parked = false
    this.#taken()
  }

  /** Delivers what there is. @throws WEFT_STORE_*, and what the signal aborts with */
  async round(log: ContextLog, signal: AbortSignal): Promise<Round> {
    const marked = log.acknowledged(this.subscription)
    const { id, position: passed } = this.#passed
    // A context that was removed may have begun anew.
    let position = log.holds(passed, id) ? Math.max(marked, passed) : marked
    let delivered = 0
    let last = marked
    const mark = async (): Promise<void> => {
      if (delivered > 0) await this.#mark(log, last, signal)
      delivered = 0
    }
    while (position < log.count) {
      for (const { id, bytes } of await log.read(position + 1, READ_BYTES)) {
        signal.throwIfAborted()
        if (log.damage) throw log.damage
        const change = decodeChange(bytes, this.host.hash)
        if (matchesFilter(this.webhook.filter, change.header)) {
          const event = contextEvent(position + 1, change)
          const failed = await this.#offer(event, signal)
          if (failed) {
            await mark()
            return failed
          }
          delivered++
          last = position + 1
        }
        this.#passed = { position: ++position, id }
        if (delivered >= EVENTS_PER_MARK) await mark()
      }
    }
    await mark()
    return { next: 'none' }
  }

  async #mark(log: ContextLog, upTo: Position, signal: AbortSignal): Promise<void> {
    const { filter } = this.webhook
    let onAbort = (): void => {}
    // The store may fail, and then nobody answers.
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort)
    })
    try {
      const mark = { name: this.subscription, filter, upTo, agent: AGENT }
      await Promise.race([log.acknowledge(mark), aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Offers an event once; undefined when it was taken. */
  async #offer(event: ReturnType<typeof contextEvent>, signal: AbortSignal): Promise<Round | undefined> {
    const { tenant, url, secret } = this.webhook
    const { clock, limits, dice } = this.host
    const delivery = { url, secret, event: cloudEvent(tenant, this.workflow, event), now_ms: clock.now() }
    try {
      const timeout = AbortSignal.timeout(limits.webhook_timeout_ms)
      await postEvent(delivery, AbortSignal.any([signal, timeout]))
      this.#taken()
      return undefined
    } catch (error) {
      signal.throwIfAborted()
      this.#failures++
      this.#failedAt = event.position
      this.#reason = causeOf(error)
      this.#parked = this.#failures >= limits.webhook_attempts_max
      if (this.#parked) return { next: 'parked' }
      return { next: 'retry', after_ms: backoff_ms(limits.webhook_backoff_ms, this.#failures, dice()) }
    }
  }

  #taken(): void {
    this.#failures = 0
    this.#failedAt = 0
    this.#reason = undefined
  }
}

/** Twice as long after each failure, and by chance between half of that and all of it, so that not all come back at once. */
export function backoff_ms(first_ms: number, failures: number, dice: number): number {
  const whole_ms = Math.min(first_ms * 2 ** (failures - 1), BACKOFF_MS_MAX)
  return whole_ms * (0.5 + dice / 2)
}

/** `fetch` says only that it has failed; its cause says why. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? reasonOf(error.cause) : reasonOf(error)
}
