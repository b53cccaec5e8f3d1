import { createHash } from 'node:crypto'
import { ANY_CONTEXT, type ContextDefinition, isWeftError, type JsonObject, WeftError } from '@weft/core'
import { type Context, connect, type Replica, type WaitOptions } from '@weft/replica'
import type { GatewayLimits } from './limits.js'
import { ownWait } from './own-wait.js'
import { Pool } from './pool.js'

/** A branch of a context, open for an agent, of whatever definition. */
export type AnyHandle = Context<JsonObject, ContextDefinition<JsonObject>['entries']>

/** Which branch a request is about, for whom, and by which definition; by none it can only be read. */
export interface HandleRequest {
  readonly workflow: string
  readonly branch: string
  readonly agent: string
  readonly definition: ContextDefinition<JsonObject> | undefined
}

/**
 * One bearer of a token: a replica that was opened with it, so that the peer decides what it may do (TEN-1), and the
 * branches that it has asked for lately.
 */
export class Bearer {
  readonly #handles: Pool<AnyHandle>
  readonly #closing = new AbortController()
  readonly #opening_ms: number
  /** Why the peer serves this token no longer. */
  failure: WeftError | undefined

  constructor(
    readonly replica: Replica,
    limits: GatewayLimits,
  ) {
    const bounds = {
      what: 'branches',
      max: limits.handles_per_token_max,
      opening_max: limits.handles_per_token_max,
      waiting_max: limits.requests_per_token_max,
      users_max: limits.requests_per_token_max,
      idle_ms: limits.idle_ms,
    }
    this.#opening_ms = limits.wait_ms_max
    this.#handles = new Pool(bounds, handle => handle.close(CLOSING))
  }

  get tenant(): string {
    return this.replica.tenant!
  }

  /** Does some work on a branch, when what the peer has of it is here. @throws as `Replica.open`, and what `work` throws */
  async use<T>(
    { workflow, branch, agent, definition }: HandleRequest,
    wait: Required<WaitOptions>,
    work: (handle: AnyHandle) => Promise<T>,
  ): Promise<T> {
    const { name, version } = definition ?? ANY_CONTEXT
    const key = JSON.stringify([workflow, branch, agent, name, version])
    const known = (definition ?? ANY_CONTEXT) as ContextDefinition<JsonObject>
    // Others may wait for the same branch, whatever becomes of this request, and longer.
    const opening = { timeout_ms: this.#opening_ms, signal: this.#closing.signal }
    const options = { workflow, branch, agent, migrate: false, ...opening }
    return this.#handles.use(
      key,
      () => this.replica.open(known, options),
      async handle => {
        try {
          return await work(handle)
        } catch (error) {
          // It will say so for ever; what is opened anew may find the peer well again.
          if (isBroken(error)) this.#handles.drop(key, handle)
          throw error
        }
      },
      ownWait(workflow, wait),
    )
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#handles.close()
    await this.replica.close(CLOSING).catch(() => this.replica.close({ discard: true }))
  }
}

/** All that was answered is durable; nobody waits long for what a peer that is gone has not acknowledged. */
const CLOSING = { timeout_ms: 2_000 }
const BROKEN = /^WEFT_(?:STORE|CLOSED|INTERNAL)/

/** Whether it says that a handle is of no use any more: by itself, or as why something was not answered. */
function isBroken(error: unknown): boolean {
  return isWeftError(error) && (BROKEN.test(error.code) || isBroken(error.cause))
}

/** The token in a header `Authorization`. @throws WEFT_TOKEN_MISSING */
export function tokenIn(authorization = ''): string {
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
  if (token !== undefined) return token
  throw new WeftError(
    'WEFT_TOKEN_MISSING',
    'there is no token',
    'send it in the header: Authorization: Bearer <token>; `weft token` makes one',
  )
}

/** All bearers that have come lately, by their tokens. */
export class Bearers {
  readonly #pool: Pool<Bearer>

  constructor(
    private readonly url: string,
    private readonly limits: GatewayLimits,
  ) {
    const bounds = {
      what: 'tokens',
      max: limits.replicas_max,
      opening_max: limits.connecting_max,
      waiting_max: limits.unverified_max,
      users_max: limits.requests_per_token_max,
      idle_ms: limits.idle_ms,
    }
    this.#pool = new Pool(
      bounds,
      bearer => bearer.close(),
      bearer => bearer.tenant,
    )
  }

  /** @throws WEFT_TOKEN_* · WEFT_PEER_UNREACHABLE · WEFT_LIMIT · WEFT_DRAINING, and what `work` throws */
  use<T>(token: string, work: (bearer: Bearer) => Promise<T>): Promise<T> {
    const key = createHash('sha256').update(token).digest('hex')
    return this.#pool.use(
      key,
      () => this.#connect(token),
      bearer => {
        if (bearer.failure === undefined) return work(bearer)
        this.#pool.drop(key, bearer)
        throw bearer.failure
      },
    )
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  async #connect(token: string): Promise<Bearer> {
    let failure: WeftError | undefined
    let bearer: Bearer | undefined
    const replica = await connect({
      url: this.url,
      token,
      client: 'weft-gateway',
      timeout_ms: this.limits.connect_ms,
      onEvent: event => {
        if (event.type !== 'failed') return
        failure = event.error
        if (bearer) bearer.failure = failure
      },
    })
    bearer = new Bearer(replica, this.limits)
    bearer.failure = failure
    return bearer
  }
}
