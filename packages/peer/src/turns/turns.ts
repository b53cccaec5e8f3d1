import type { LogRecord } from '@weft/core'
import { CHANGE_COST } from '@weft/protocol'
import { FairQueue, type Flow } from './fair-queue.js'

/** About a quarter of a millisecond of work, in bytes of changes: how long the sockets wait to be looked at again. */
export const SLICE_COST = 16_384

/** Of looking at changes, as turns are measured. */
export function costOf(records: readonly LogRecord[]): number {
  return records.reduce((cost, { bytes }) => cost + bytes.length + CHANGE_COST, 0)
}

/** Calls `fn` when the sockets have been looked at. */
export type Soon = (fn: () => void) => void

/** Works off what the connections brought, a slice at a time, tenants in turn. */
export class Turns {
  readonly #queue = new FairQueue(SLICE_COST)
  #isDue = false
  #whenIdle: (() => void)[] = []

  constructor(private readonly soon: Soon) {}

  add(tenant: string, flow: Flow): void {
    this.#queue.add(tenant, flow)
    this.#next()
  }

  /** Resolves when it is a tenant's turn to have something done that costs so much. */
  turn(tenant: string, cost: number): Promise<void> {
    return new Promise(resolve => {
      let left: number | undefined = cost
      const step = (): number | undefined => {
        const spent = left
        left = undefined
        if (spent !== undefined) resolve()
        return spent
      }
      this.add(tenant, { step })
    })
  }

  /** Resolves when all that was added is done. */
  idle(): Promise<void> {
    return new Promise(resolve => {
      if (this.#isDue) this.#whenIdle.push(resolve)
      else resolve()
    })
  }

  #next(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.soon(() => this.#turn())
  }

  #turn(): void {
    const more = this.#queue.run(SLICE_COST)
    this.#isDue = false
    if (more) this.#next()
    else for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}
