import { createHmac } from 'node:crypto'
import type { CloudEvent } from './cloud-event.js'

export interface Delivery {
  readonly url: string
  readonly secret: string
  readonly event: CloudEvent
  /** ms since 1970 UTC. */
  readonly now_ms: number
}

/**
 * Offers an event to a webhook, once. Signed as Standard Webhooks are: HMAC-SHA256 over the id of the event, the time of
 * this attempt in seconds, and the body; so a delivery can be neither altered nor kept for later.
 * @throws what stood in the way, when it was not answered with 2xx
 */
export async function postEvent(delivery: Delivery, signal: AbortSignal): Promise<void> {
  const { url, event } = delivery
  const body = JSON.stringify(event)
  const headers = { 'content-type': CONTENT_TYPE, ...signatureOf(delivery, body) }
  // A redirect could lead to where the operator has allowed nobody to go.
  const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`it answered with ${response.status || 'a redirect'}`)
}

const CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8'

function signatureOf({ secret, event, now_ms }: Delivery, body: string): Record<string, string> {
  const timestamp = String(Math.floor(now_ms / 1000))
  const mac = createHmac('sha256', secret).update(`${event.id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': event.id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` }
}
