import { WeftError } from './errors.js'
import type { AgentId, BranchName } from './ids.js'
import type { Header } from './header.js'

export const LEASE_MS_MAX = 3_600_000

const BRANCH = 'branch:'
const EFFECT = 'effect:'

/** What stands for a branch where a lease is asked for. */
export function branchRef(branch: BranchName): string {
  return BRANCH + branch
}

export function isEffectRef(ref: string): boolean {
  return ref.startsWith(EFFECT)
}

/** What stands for a side effect of a workflow; the key may hold any characters. @throws WEFT_REF_INVALID */
export function effectRef(key: string): string {
  try {
    return EFFECT + encodeURIComponent(key)
  } catch {
    throw new WeftError(
      'WEFT_REF_INVALID',
      'an effect key with half a surrogate pair',
      'use a key of whole characters',
    )
  }
}

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

/** The refs that a change may write only if nobody else holds them: its branch, and the effects it writes of. */
function fencedRefs({ branch, writes }: Header): string[] {
  const effects = writes.filter(isEffectRef)
  return [branchRef(branch), ...effects]
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

/** @throws WEFT_LEASE_INVALID */
export function checkLeaseLength(ttl_ms: number): number {
  if (Number.isSafeInteger(ttl_ms) && ttl_ms > 0 && ttl_ms <= LEASE_MS_MAX) return ttl_ms
  throw new WeftError(
    'WEFT_LEASE_INVALID',
    `a lease of ${ttl_ms} ms`,
    `ask for a whole number of milliseconds from 1 to ${LEASE_MS_MAX}; it is renewed while its holder lives`,
    { ttl_ms },
  )
}

function lost(on: string, epoch: number, held: Lease | undefined): WeftError {
  const current = held?.epoch ?? 0
  return new WeftError(
    'WEFT_LEASE_LOST',
    `the lease on ${on} under epoch ${epoch} is over: ${current} is in force${held ? `, granted to ${held.holder}` : ''}`,
    'somebody else has taken over: stop, or ask for the lease again and read what was written since',
    { on, epoch, current },
  )
}

function ended(on: string): WeftError {
  return new WeftError(
    'WEFT_LEASE_ENDED',
    `what ${on} stands for is done: nobody can have a lease on it any more`,
    'read what has come of it instead',
    { on },
  )
}

function heldBy({ on, epoch, holder, until_ms }: Lease, now_ms: number): WeftError {
  const left_ms = until_ms - now_ms
  return new WeftError(
    'WEFT_LEASE_HELD',
    `${on} is held by ${holder} under epoch ${epoch}, for another ${left_ms} ms if it is not renewed`,
    'wait until it is given back or runs out, and ask for the lease; or write on a branch of your own',
    { on, epoch, holder, left_ms },
  )
}

function notWritten(on: string): WeftError {
  return new WeftError(
    'WEFT_LEASE_INVALID',
    `the change asks for a lease on ${on}, which it does not write`,
    'ask for the branch that the change is on, or for an effect that it writes',
    { on },
  )
}
