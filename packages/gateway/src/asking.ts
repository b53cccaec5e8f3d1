import { isWeftError, MAIN_BRANCH, WeftError } from '@weft/core'
import type { HttpBindings } from '@hono/node-server'
import type { WaitOptions } from '@weft/replica'
import type { Context as HonoContext } from 'hono'
import { type AnyHandle, type Bearer, type Bearers, type HandleRequest, tokenIn } from './bearer.js'
import type { GatewayLimits } from './limits.js'
import type { Schemas } from './schemas.js'
import type { Visits } from './visits.js'

/** What the routes are given. */
export interface Host {
  readonly bearers: Bearers
  readonly visits: Visits
  readonly schemas: Schemas
  readonly limits: GatewayLimits
  /** Aborts when the gateway closes: nobody may wait any more; what is being done is still ended. */
  readonly closing: AbortSignal
  readonly onDefect: (error: unknown) => void
}

/** What a request says of the branch that it is about, and how long it waits. */
export interface Asked {
  readonly workflow: string
  /** Default `main`. */
  readonly branch?: string | undefined
  /** Who writes; not needed to read. */
  readonly agent?: string | undefined
  readonly definition?: HandleRequest['definition']
  readonly after?: string | undefined
  readonly wait_ms?: number | undefined
}

/** Who reads without writing. */
const READER = 'weft-gateway'

/** How long something is waited for. */
export type Wait = Required<WaitOptions>

/** What was answered, and the session that has seen it. */
export interface Answered<T> {
  readonly body: T
  readonly session: string | null
}

/** Does some work as the bearer of a request's token. @throws as `tokenIn`, `Bearers.use` and `Visits.enter` */
async function asBearer<T>(host: Host, c: HonoContext, work: (bearer: Bearer) => Promise<T>): Promise<T> {
  const { outgoing } = c.env as HttpBindings
  return host.bearers.use(tokenIn(c.req.header('authorization')), async bearer => {
    host.visits.enter(bearer.tenant, outgoing)
    return work(bearer)
  })
}

/** What is done on a branch; its wait ends with the request, or when the gateway closes. */
type Work<T> = (handle: AnyHandle, wait: Wait, bearer: Bearer) => Promise<T> | T

/**
 * Asks a branch something, when all that the session of the request had seen is here (SES-1, SES-2).
 * @throws as `asBearer`, `Replica.open`, `Context.reach`, `Context.token`, and what `work` throws
 */
export function onBranch<T>(host: Host, c: HonoContext, asked: Asked, work: Work<T>): Promise<Answered<T>> {
  return answering(host, c, asked, work, sessionOf)
}

/**
 * As `onBranch`, for what is done, durably, when `work` has ended: it is told as done, with a session or without.
 * @throws as `asBearer`, `Replica.open`, `Context.reach`, and what `work` throws
 */
export function committing<T>(host: Host, c: HonoContext, asked: Asked, work: Work<T>): Promise<Answered<T>> {
  return answering(host, c, asked, work, (...asking) => sessionOf(...asking).catch(() => null))
}

function answering<T>(
  host: Host,
  c: HonoContext,
  asked: Asked,
  work: Work<T>,
  session: typeof sessionOf,
): Promise<Answered<T>> {
  const { workflow, branch = MAIN_BRANCH, agent = READER, definition } = asked
  const after = asked.after ?? c.req.header('weft-after')
  const wait = waitOf(host, c, asked)
  return asBearer(host, c, bearer =>
    bearer.use({ workflow, branch, agent, definition }, wait, async handle => {
      if (after !== undefined) await handle.reach(after, wait)
      const body = await work(handle, wait, bearer)
      return { body, session: await session(c, handle, wait) }
    }),
  )
}

/**
 * As `committing`, for what may turn out to have been done before, and the peer is not asked then whether it may be.
 * @throws also WEFT_SCOPE
 */
export function toWrite<T>(
  host: Host,
  c: HonoContext,
  asked: Asked,
  work: (handle: AnyHandle, wait: Wait) => Promise<T>,
): Promise<Answered<T>> {
  return committing(host, c, asked, (handle, wait, { replica }) => {
    if (replica.scopes.includes('write')) return work(handle, wait)
    throw new WeftError(
      'WEFT_SCOPE',
      'the token does not allow to write',
      'use a token with the scope "write"',
    )
  })
}

/** What the peer is asked it may take this long to answer, whatever a request says of waiting. */
const ASKING_MS = 1_000

/** How long a request waits for others: until it is gone, or the gateway closes. */
function waitOf({ limits, closing }: Host, c: HonoContext, { wait_ms = limits.wait_ms }: Asked): Wait {
  const timeout_ms = Math.max(ASKING_MS, Math.min(wait_ms, limits.wait_ms_max))
  return { timeout_ms, signal: AbortSignal.any([c.req.raw.signal, closing]) }
}

/** Proof of all that was shown. It is no wait that a closing gateway ends: what was done is to be answered. */
async function sessionOf(c: HonoContext, handle: AnyHandle, { timeout_ms }: Wait): Promise<string | null> {
  try {
    const session = await handle.token({ timeout_ms })
    c.header('weft-session', session)
    return session
  } catch (error) {
    if (isWeftError(error) && error.code === 'WEFT_SESSION_UNAVAILABLE') return null
    throw error
  }
}
