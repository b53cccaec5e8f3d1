import { createHmac } from 'node:crypto'
import { WeftError } from '@weft/core'
import type { SessionMark, SessionSigner, TokenGrant, TokenVerifier } from '@weft/peer'
import type { Scope } from '@weft/protocol'
import type { Dice } from './dice.js'
import type { SeenToken } from './observation.js'
import type { Scheduler } from './scheduler.js'

/** A token of a simulated worker. It is not signed: what is simulated is not whether JWTs hold. */
export interface IssuedToken {
  readonly id: string
  readonly tenant: string
  /** ms since 1970 UTC. */
  readonly expires_ms: number
  readonly text: string
}

const SCOPES: readonly Scope[] = ['read', 'write', 'admin']
const LONG_MS = 86_400_000
const SHORT_MS = { least: 500, most: 900 }
/** So often a worker connects with a token that it had before. */
const USED_AGAIN = 0.3
const MS_PER_S = 1_000

/** Hands out the tokens of a world, whose clock is right. */
export class Issuer {
  readonly #latest = new Map<string, IssuedToken>()
  /** When whoever begins a dropped tenant anew may be given a token. */
  readonly #anew_ms = new Map<string, number>()
  #count = 0
  #usedAgain = USED_AGAIN

  /** @param expire whether some are good for less than a second */
  constructor(
    private readonly scheduler: Scheduler,
    private readonly dice: Dice,
    private expire: boolean,
  ) {}

  /** From now on every token is new, and good for long. */
  heal(): void {
    this.expire = false
    this.#usedAgain = 0
  }

  /** A tenant was dropped at this moment, by the peer's clock: what was issued in that second is revoked, too. */
  dropped(tenant: string, peer_ms: number): void {
    const last_ms = Math.max(peer_ms, this.scheduler.now_ms)
    this.#anew_ms.set(tenant, (Math.floor(last_ms / MS_PER_S) + 1) * MS_PER_S)
  }

  /** Until every tenant is given tokens that are good. */
  get wait_ms(): number {
    return Math.max(0, ...[...this.#anew_ms.values()].map(anew_ms => anew_ms - this.scheduler.now_ms))
  }

  /** What a worker connects with, when there is something that it can connect with. */
  tokenOf(tenant: string, host: string): string | Promise<string> {
    const known = this.#latest.get(host)
    if (known !== undefined && this.dice.chance(this.#usedAgain)) return known.text
    const anew_ms = this.#anew_ms.get(tenant) ?? 0
    if (anew_ms <= this.scheduler.now_ms) return this.#issue(tenant, host)
    return new Promise(resolve => {
      this.scheduler.planAt(anew_ms, `token ${host}`, () => resolve(this.#issue(tenant, host)))
    })
  }

  #issue(tenant: string, host: string): string {
    const isShort = this.expire && this.dice.chance(0.5)
    const lifetime_ms = isShort ? this.dice.between(SHORT_MS.least, SHORT_MS.most) : LONG_MS
    const id = `token-${++this.#count}`
    const expires_ms = this.scheduler.now_ms + lifetime_ms
    const issued = Math.floor(this.scheduler.now_ms / MS_PER_S)
    const grant = { id, tenant, scopes: SCOPES, workflows: '*', issued, expires: expires_ms / MS_PER_S }
    const token = { id, tenant, expires_ms, text: JSON.stringify(grant) }
    this.#latest.set(host, token)
    return token.text
  }

  /** The latest of each worker of a tenant. */
  ofTenant(tenant: string): IssuedToken[] {
    return [...this.#latest.values()].filter(token => token.tenant === tenant)
  }
}

/** What a token that was issued here says of itself. */
export function readToken(text: string): SeenToken {
  const { id, tenant, issued, expires } = JSON.parse(text) as TokenGrant & { id: string; issued: number }
  return { id, tenant, issued_s: issued, expires_ms: expires * MS_PER_S }
}

/** Reads it at once, and so in every run at the same moment: real ones are verified on other threads. */
export const verifyToken: TokenVerifier = async token => ({
  ...(JSON.parse(token) as Omit<TokenGrant, 'subject'>),
  subject: undefined,
})

const KEY = 'the peers of one simulation'

export const sessionSigner: SessionSigner = {
  async sign(mark) {
    const payload = Buffer.from(JSON.stringify(mark)).toString('base64url')
    return `${payload}.${sealOf(payload)}`
  },
  async verify(token) {
    const [payload = '', seal] = token.split('.')
    if (seal === sealOf(payload)) return markIn(token)
    throw new WeftError(
      'WEFT_SESSION_INVALID',
      'the session token does not hold',
      'pass one that this peer made',
    )
  },
}

/** What a session token of a simulation stands for. */
export function markIn(token: string): SessionMark {
  return JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as SessionMark
}

function sealOf(payload: string): string {
  return createHmac('sha256', KEY).update(payload).digest('base64url')
}
