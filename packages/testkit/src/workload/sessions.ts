import type { ChangeId } from '@weft/core'
import type { Place } from '../observation.js'

/** What somebody carries from worker to worker. */
export interface Session {
  readonly at: Place
  readonly name: string
  readonly token: string
  /** All that was seen where the token was made. */
  readonly known: readonly ChangeId[]
  /** Of its tenant: it ends with all that the tenant has. */
  readonly era: number
}

/** The sessions of a world that are under way: in queues, in requests, outside of every worker. */
export class Sessions {
  readonly #byTenant = new Map<string, Session[]>()
  readonly #eras = new Map<string, number>()
  #count = 0

  /** How often all that a tenant has was removed. */
  era(tenant: string): number {
    return this.#eras.get(tenant) ?? 0
  }

  /** What a tenant had is gone, and nobody goes on with it. */
  removed(tenant: string): void {
    this.#eras.set(tenant, this.era(tenant) + 1)
    this.#byTenant.delete(tenant)
  }

  nextName(): string {
    return `session-${++this.#count}`
  }

  put(session: Session): void {
    if (session.era !== this.era(session.at.tenant)) return
    const waiting = this.#byTenant.get(session.at.tenant) ?? []
    waiting.push(session)
    this.#byTenant.set(session.at.tenant, waiting)
  }

  /** One that goes on where it is, of whichever tenant. @param roll from 0 to below 1 */
  any(roll: number): Session | undefined {
    const all = [...this.#byTenant.values()].flat()
    return all[Math.floor(roll * all.length)]
  }

  /** @param roll from 0 to below 1 */
  take(tenant: string, roll: number): Session | undefined {
    const waiting = this.#byTenant.get(tenant) ?? []
    return waiting.splice(Math.floor(roll * waiting.length), 1)[0]
  }
}
