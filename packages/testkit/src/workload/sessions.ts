import type { ChangeId } from '@weft/core'
import type { Place } from '../observation.js'

/** What somebody carries from worker to worker. */
export interface Session {
  readonly at: Place
  readonly name: string
  readonly token: string
  /** All that was seen where the token was made. */
  readonly known: readonly ChangeId[]
}

/** The sessions of a world that are under way: in queues, in requests, outside of every worker. */
export class Sessions {
  readonly #byTenant = new Map<string, Session[]>()
  #count = 0

  nextName(): string {
    return `session-${++this.#count}`
  }

  put(session: Session): void {
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
