import type { IncomingMessage, ServerResponse } from 'node:http'
import { WeftError } from '@weft/core'
import { readBody } from './body.js'
import type { GatewayLimits } from './limits.js'
import { Shares } from './shares.js'

/**
 * The requests of tokens that the peer takes, and their bodies: so many in all, and of one tenant so many that others find
 * room. What has shown no such token is none of them, and takes the room of nobody who has.
 */
export class Visits {
  readonly #requests: Shares
  readonly #bytes: Shares
  readonly #open = new Set<ServerResponse>()

  constructor(private readonly limits: GatewayLimits) {
    this.#requests = new Shares(limits.requests_max)
    this.#bytes = new Shares(limits.bodies_bytes_max)
  }

  /** Counts a request once, until it is answered or its connection is gone. @throws WEFT_LIMIT · WEFT_ABORTED when it is that already */
  enter(tenant: string, response: ServerResponse): void {
    if (this.#open.has(response)) return
    if (response.destroyed) throw new WeftError('WEFT_ABORTED', 'who asked is gone', 'ask again')
    if (!this.#requests.take(tenant, 1)) throw busy(`${this.#requests.takenBy(tenant)} requests`)
    this.#open.add(response)
    response.once('close', () => {
      this.#open.delete(response)
      this.#requests.giveBack(tenant, 1)
    })
  }

  /** The whole body of a request, which is counted. @throws as `enter` and `readBody` */
  async bodyOf(tenant: string, request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
    this.enter(tenant, response)
    let taken = 0
    response.once('close', () => this.#bytes.giveBack(tenant, taken))
    return readBody(request, this.limits, bytes => {
      if (!this.#bytes.take(tenant, bytes)) throw busy(`requests of ${this.#bytes.takenBy(tenant)} bytes`)
      taken += bytes
    })
  }
}

function busy(what: string): WeftError {
  return new WeftError(
    'WEFT_LIMIT',
    `${what} of the tenant run or wait already`,
    'try again later: a tenant has half of what the others leave; or run more gateways, any of them does',
  )
}
