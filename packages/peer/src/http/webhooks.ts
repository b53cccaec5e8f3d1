import { type Store, WeftError } from '@weft/core'
import type { Logger } from 'pino'
import { matchesWorkflow } from '../tokens/token.js'
import type { Contexts } from '../tenants/contexts.js'
import type { Webhook } from './webhook-config.js'
import { type DeliveryHost, type DeliveryStatus, WebhookDelivery } from './webhook-delivery.js'

export interface WebhooksHost extends DeliveryHost {
  readonly log: Logger
}

/** Rounds at a time: each holds a context open, and a socket. */
const ROUNDS_MAX = 16

/** Delivers contexts to the webhooks that the operator has configured. */
export class Webhooks {
  readonly #deliveries = new Map<string, WebhookDelivery>()
  readonly #queue = new Set<WebhookDelivery>()
  readonly #running = new Map<WebhookDelivery, Promise<void>>()
  readonly #again = new Set<WebhookDelivery>()
  /** What ends the waiting of those that are not to be tried again yet. */
  readonly #timers = new Map<WebhookDelivery, () => void>()
  #contexts: Contexts | undefined
  #stopped = new AbortController()

  constructor(
    private readonly webhooks: readonly Webhook[],
    private readonly host: WebhooksHost,
  ) {}

  /** Goes on with what lies in a store, whoever wrote it and when. */
  async begin(contexts: Contexts, store: Store): Promise<void> {
    this.#contexts = contexts
    this.#stopped = new AbortController()
    for (const tenant of new Set(this.webhooks.map(each => each.tenant))) {
      try {
        for await (const { workflow } of store.tenant(tenant).heads()) this.advanced(tenant, workflow)
      } catch (error) {
        this.host.log.error({ tenant, err: error }, 'not all contexts can be delivered to webhooks')
      }
    }
  }

  /** Ends all that is under way; what was not taken is offered again when it begins anew. */
  async stop(reason: WeftError): Promise<void> {
    this.#contexts = undefined
    this.#queue.clear()
    for (const delivery of [...this.#timers.keys()]) this.#waitNoMore(delivery)
    this.#stopped.abort(reason)
    await Promise.all(this.#running.values())
  }

  /** The log of a context has grown. */
  advanced(tenant: string, workflow: string): void {
    for (const webhook of this.webhooks) {
      if (webhook.tenant !== tenant || !matchesWorkflow(webhook.workflows, workflow)) continue
      this.#enqueue(this.#delivery(webhook, workflow))
    }
  }

  /**
   * Nobody uses a context any more. Who opens it reads all of it anyway, and so does a delivery that begins anew, from where
   * it has said that it is: so none is kept but those of which something is to be told.
   */
  letGo(tenant: string, workflow: string): void {
    for (const { name } of this.webhooks) {
      const key = keyOf(tenant, name, workflow)
      const delivery = this.#deliveries.get(key)
      const isDue = delivery && (this.#queue.has(delivery) || this.#running.has(delivery))
      if (delivery?.status.state === 'waiting' && !isDue) this.#deliveries.delete(key)
    }
  }

  get parkedCount(): number {
    return [...this.#deliveries.values()].filter(({ isParked }) => isParked).length
  }

  /** Nothing is left of a tenant that was dropped: what begins anew is delivered anew, whatever became of it before. */
  forget(tenant: string): void {
    for (const [key, delivery] of this.#deliveries) {
      if (delivery.webhook.tenant !== tenant) continue
      this.#deliveries.delete(key)
      this.#queue.delete(delivery)
      this.#waitNoMore(delivery)
    }
  }

  /** The deliveries to a tenant's webhooks that are not all well: those parked first. */
  list(tenant: string): DeliveryStatus[] {
    const all = [...this.#deliveries.values()].filter(({ webhook }) => webhook.tenant === tenant)
    const troubled = all.map(({ status }) => status).filter(({ state }) => state !== 'waiting')
    return troubled.sort((a, b) => a.state.localeCompare(b.state))
  }

  /** Tries a parked delivery again. @throws WEFT_SUBSCRIPTION_UNKNOWN */
  resume(tenant: string, name: string, workflow: string): void {
    const delivery = this.#deliveries.get(keyOf(tenant, name, workflow))
    if (!delivery?.isParked) throw notParked(name, workflow)
    delivery.resume()
    this.#waitNoMore(delivery)
    this.#enqueue(delivery)
  }

  #delivery(webhook: Webhook, workflow: string): WebhookDelivery {
    const key = keyOf(webhook.tenant, webhook.name, workflow)
    const known = this.#deliveries.get(key)
    if (known) return known
    const delivery = new WebhookDelivery(webhook, workflow, this.host)
    this.#deliveries.set(key, delivery)
    return delivery
  }

  #enqueue(delivery: WebhookDelivery): void {
    if (this.#contexts === undefined || delivery.isParked || !this.#isKnown(delivery)) return
    if (this.#running.has(delivery)) this.#again.add(delivery)
    else if (delivery.rest_ms > 0) this.#wait(delivery)
    else this.#queue.add(delivery)
    this.#startNext()
  }

  /** However much is written meanwhile, it is tried again when its time has come, and not before. */
  #wait(delivery: WebhookDelivery): void {
    if (this.#timers.has(delivery)) return
    const cancel = this.host.clock.after(delivery.rest_ms, () => {
      this.#timers.delete(delivery)
      this.#enqueue(delivery)
    })
    this.#timers.set(delivery, cancel)
  }

  #waitNoMore(delivery: WebhookDelivery): void {
    this.#timers.get(delivery)?.()
    this.#timers.delete(delivery)
  }

  /** One that was forgotten may have been about to try again. */
  #isKnown(delivery: WebhookDelivery): boolean {
    const { webhook, workflow } = delivery
    return this.#deliveries.get(keyOf(webhook.tenant, webhook.name, workflow)) === delivery
  }

  #startNext(): void {
    for (const delivery of this.#queue) {
      if (this.#running.size >= ROUNDS_MAX || this.#contexts === undefined) return
      this.#queue.delete(delivery)
      const running = this.#round(delivery, this.#contexts).finally(() => {
        this.#running.delete(delivery)
        if (this.#again.delete(delivery)) this.#enqueue(delivery)
        this.#startNext()
      })
      this.#running.set(delivery, running)
    }
  }

  async #round(delivery: WebhookDelivery, contexts: Contexts): Promise<void> {
    const { webhook, workflow } = delivery
    const { tenant } = webhook
    const { signal } = this.#stopped
    try {
      const log = await contexts.acquire(tenant, workflow)
      if (await delivery.round(log, signal)) return
      this.host.log.warn({ tenant, ...delivery.status }, 'a webhook has not taken an event')
    } catch (error) {
      if (signal.aborted) return
      delivery.failed(error)
      this.host.log.error({ tenant, ...delivery.status, err: error }, 'not delivered to a webhook')
    } finally {
      contexts.release(tenant, workflow)
    }
    this.#again.add(delivery)
  }
}

function keyOf(tenant: string, name: string, workflow: string): string {
  return [tenant, name, workflow].join(':')
}

function notParked(name: string, workflow: string): WeftError {
  return new WeftError(
    'WEFT_SUBSCRIPTION_UNKNOWN',
    `no delivery of ${workflow} to a webhook ${name} is parked`,
    'see `weft webhooks` for those that are',
    { webhook: name, workflow },
  )
}
