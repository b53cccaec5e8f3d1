import type { AgentId } from '../base/ids.js'
import { branchRef, isFencedRef } from '../refs/lease-refs.js'
import type { Header } from '../change/header.js'
import { ended, heldBy, lost, notWritten } from './lease-errors.js'

/** Time-bounded ownership of a ref, as it stands at a peer. */
export interface Lease {
  readonly on: string
  /** Grows with each grant; a change that was written under an older one is refused (HND-3). */
  readonly epoch: number
  readonly holder: AgentId
  readonly ttl_ms: number
  /** By the peer's clock, ms since 1970 UTC; not above now when it ran out or was given back. */
  readonly until_ms: number
  /** Nobody will ever have it again. */
  readonly final: boolean
  /** Whether its holder was heard of by this very peer. One read from disk may have nobody behind it any more. */
  readonly live: boolean
}

/** The refs that a change may write only if nobody else holds them: its branch, and what it writes of. */
function fencedRefs({ branch, writes }: Header): string[] {
  return [branchRef(branch), ...writes.filter(isFencedRef)]
}

/**
 * The leases of one context. Grants are changes of its log, so the epochs outlive the peer; how long one still runs is
 * known to the running peer alone.
 *
 * A change may be new, or history that is offered again (after a rollback, from an export). History never begins a
 * lease, and is held against nobody but a holder who is there.
 */
export class Leases {
  readonly #byRef = new Map<string, Lease>()

  get(on: string): Lease | undefined {
    return this.#byRef.get(on)
  }

  /** Until when any lease runs; 0 without one. */
  get lastUntil_ms(): number {
    let last = 0
    for (const { until_ms } of this.#byRef.values()) last = Math.max(last, until_ms)
    return last
  }

  /** Whether `check` has anything to look at. */
  concern({ notes }: Header): boolean {
    return this.#byRef.size > 0 || notes.lease !== undefined || notes.under !== undefined
  }

  /**
   * Whether a change may be taken now.
   * @throws WEFT_LEASE_LOST when it was written under an epoch that is over, or asks for one that is taken ·
   *   WEFT_LEASE_ENDED when nobody can have it any more · WEFT_LEASE_HELD when somebody else holds what it writes ·
   *   WEFT_LEASE_INVALID
   */
  check(header: Header, now_ms: number, isNew: boolean): void {
    const { lease: asked, under = NOTHING } = header.notes
    const refs = fencedRefs(header)
    if (asked && !refs.includes(asked.on)) throw notWritten(asked.on)
    for (const on of refs) {
      const held = this.#byRef.get(on)
      const note = asked?.on === on ? asked : undefined
      const stated = note?.epoch ?? under[on]
      const begins = note !== undefined && (note.ttl_ms > 0 || note.epoch === (held?.epoch ?? 0) + 1)
      if (held?.final && note) throw ended(on)
      checkEpoch(on, stated, held, begins)
      const runs = held !== undefined && now_ms < held.until_ms
      const isRival = begins || stated === undefined
      if (runs && isRival && (held.live || (begins && isNew))) throw heldBy(held, now_ms)
    }
  }

  /**
   * Takes in the grant of a change that is taken.
   * @param from_ms when the lease begins to run; undefined for history that is offered again
   */
  add({ notes, agent }: Header, from_ms: number | undefined, live: boolean): void {
    if (notes.lease === undefined) return
    const { on, epoch, ttl_ms, final = false } = notes.lease
    if (epoch < (this.#byRef.get(on)?.epoch ?? 0)) return
    const until_ms = from_ms === undefined || ttl_ms === 0 ? 0 : from_ms + ttl_ms
    this.#byRef.set(on, { on, epoch, holder: agent, ttl_ms, until_ms, live, final })
  }

  /** The holder is alive: the lease runs its whole time from now. @throws WEFT_LEASE_LOST */
  renew(on: string, epoch: number, now_ms: number): Lease {
    const held = this.#byRef.get(on)
    if (held === undefined || held.epoch !== epoch || held.ttl_ms === 0) throw lost(on, epoch, held)
    const renewed = { ...held, until_ms: now_ms + held.ttl_ms, live: true }
    this.#byRef.set(on, renewed)
    return renewed
  }
}

function checkEpoch(on: string, stated: number | undefined, held: Lease | undefined, begins: boolean): void {
  const current = held?.epoch ?? 0
  if (stated !== undefined && stated !== (begins ? current + 1 : current)) throw lost(on, stated, held)
}

const NOTHING: Readonly<Record<string, number>> = Object.freeze({})
