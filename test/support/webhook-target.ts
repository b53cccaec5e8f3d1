import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly event: {
    readonly id: string
    readonly sequence: string
    readonly data: { readonly kinds: string[] }
  }
}

/** Something that takes webhooks, or does not. */
export class WebhookTarget {
  /** All attempts, taken or not. */
  readonly received: Received[] = []
  readonly taken: Received[] = []
  /** What the next attempts are answered with; 204 when there is nothing. 0: not at all. */
  readonly answers: number[] = []
  /** What all of them are answered with. */
  always: number | undefined
  /** Answers wait for it. */
  held: Promise<void> = Promise.resolve()
  /** Called after each attempt. */
  onReceived: () => void = () => {}
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        const event = body === '' ? undefined : JSON.parse(body)
        const received = { path: request.url!, headers: request.headers, body, event }
        this.received.push(received)
        const status = this.always ?? this.answers.shift() ?? 204
        if (status === 0) return
        if (status < 300) this.taken.push(received)
        this.onReceived()
        const headers = status === 302 ? { location: `${this.url}elsewhere` } : {}
        void this.held.then(() => response.writeHead(status, headers).end('text'))
      })
    })
  }

  static async start(): Promise<WebhookTarget> {
    const target = new WebhookTarget()
    await new Promise<void>(resolve => target.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      target.#server.closeAllConnections()
      target.#server.close()
    })
    return target
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  get sequences(): number[] {
    return this.taken.map(({ event }) => Number(event.sequence))
  }
}

/** As a receiver of Standard Webhooks checks a delivery, by a code of its own. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const signed = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.')
  const due = createHmac('sha256', secret).update(signed).digest()
  const [version, mac = ''] = String(headers['webhook-signature']).split(',')
  const given = Buffer.from(mac, 'base64')
  return version === 'v1' && given.length === due.length && timingSafeEqual(given, due)
}
