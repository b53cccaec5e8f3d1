import {
  type ChangeId,
  type Clock,
  type ContextEvent,
  contextEvent,
  decodeChange,
  type Hash,
  matchesFilter,
  type Position,
  reasonOf,
  webhookSubscription,
} from '@weft/core'
import type { PeerLimits } from '../base/limits.js'
import type { ContextLog } from '../log/context-log.js'
import { cloudEvent } from './cloud-event.js'
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
  /** In a row: of the webhook, or of the peer itself, which parks nothing. */
  readonly failures: number
  readonly reason: string | undefined
}

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
  /** Times in a row that the webhook has refused one event. */
  #refusals = 0
  /** Rounds in a row that something else has ended. */
  #errors = 0
  #failedAt: Position = 0
  #reason: string | undefined
  #parked = false
  #notBefore_ms = 0
  /** Nothing up to here is left to deliver, of the log that has this change there. */
  #passed: { readonly position: Position; readonly id: ChangeId | '' } = { position: 0, id: '' }
  /** The last event that was taken, of that log. */
  #takenAt: Position = 0

  constructor(
    readonly webhook: Webhook,
    readonly workflow: string,
    private readonly host: DeliveryHost,
  ) {
    this.subscription = webhookSubscription(webhook.name)
  }

  get status(): DeliveryStatus {
    const failures = this.#failures
    const state = this.#parked ? 'parked' : failures > 0 ? 'retrying' : 'waiting'
    const { webhook, workflow } = this
    return {
      webhook: webhook.name,
      workflow,
      state,
      position: this.#failedAt,
      failures,
      reason: this.#reason,
    }
  }

  get isParked(): boolean {
    return this.#parked
  }

  /** For how long it is not to be tried again, ms; 0 when it may be. */
  get rest_ms(): number {
    return Math.max(0, this.#notBefore_ms - this.host.clock.steady())
  }

  /** A parked delivery is to be tried again, from the event on that was refused. */
  resume(): void {
    this.#parked = false
    this.#notBefore_ms = 0
    this.#wentWell()
  }

  /** Something else than the webhook has ended a round: it is tried again, and not parked, for that would not mend it. */
  failed(error: unknown): void {
    this.#errors++
    this.#rest(error)
  }

  /**
   * Delivers what there is, but for what its webhook does not take.
   * @returns whether all was taken
   * @throws WEFT_STORE_* · WEFT_LEASE_* and why else it may not be written how far it is, and what the signal aborts with
   */
  async round(log: ContextLog, signal: AbortSignal): Promise<boolean> {
    let marked = log.acknowledged(this.subscription)
    const { id, position: passed } = this.#passed
    // A context that was removed may have begun anew.
    const goesOn = log.holds(passed, id)
    let position = goesOn ? Math.max(marked, passed) : marked
    // What was taken may have been left without its mark.
    this.#takenAt = goesOn ? Math.max(marked, this.#takenAt) : marked
    let unmarked = 0
    const mark = async (): Promise<void> => {
      if (this.#takenAt > marked) await this.#mark(log, this.#takenAt, signal)
      marked = this.#takenAt
      unmarked = 0
    }
    while (position < log.count) {
      for (const { id, bytes } of await log.read(position + 1, READ_BYTES)) {
        signal.throwIfAborted()
        if (log.damage) throw log.damage
        const { header } = decodeChange(bytes, this.host.hash)
        if (matchesFilter(this.webhook.filter, header)) {
          const isTaken = await this.#offer(await this.#eventAt(log, position + 1), signal)
          if (!isTaken) {
            await mark()
            return false
          }
          unmarked++
          this.#takenAt = position + 1
        }
        this.#passed = { position: ++position, id }
        if (unmarked >= EVENTS_PER_MARK) await mark()
      }
    }
    await mark()
    this.#wentWell()
    return true
  }

  /** As it is now: what was read with those before it may have been erased while they were taken (ERA-1). */
  async #eventAt(log: ContextLog, position: Position): Promise<ContextEvent> {
    const [record] = await log.read(position, 1)
    return contextEvent(position, decodeChange(record!.bytes, this.host.hash))
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

  /** Offers an event once. @returns whether it was taken */
  async #offer(event: ContextEvent, signal: AbortSignal): Promise<boolean> {
    const { tenant, url, secret } = this.webhook
    const { clock, limits } = this.host
    const delivery = { url, secret, event: cloudEvent(tenant, this.workflow, event), now_ms: clock.now() }
    try {
      const timeout = AbortSignal.timeout(limits.webhook_timeout_ms)
      await postEvent(delivery, AbortSignal.any([signal, timeout]))
      this.#refusals = 0
      return true
    } catch (error) {
      signal.throwIfAborted()
      this.#refusals++
      this.#errors = 0
      this.#failedAt = event.position
      this.#parked = this.#refusals >= limits.webhook_attempts_max
      this.#rest(error)
      return false
    }
  }

  get #failures(): number {
    return this.#refusals + this.#errors
  }

  #rest(error: unknown): void {
    const { clock, limits, dice } = this.host
    this.#reason = causeOf(error)
    this.#notBefore_ms = clock.steady() + backoff_ms(limits.webhook_backoff_ms, this.#failures, dice())
  }

  #wentWell(): void {
    this.#refusals = 0
    this.#errors = 0
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
