import {
  type AgentId,
  checkSubscription,
  type Filter,
  nextRange,
  type Position,
  WeftError,
  wakeRef,
} from '@weft/core'
import { checkWait, leftOf } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import type { ProposalScope } from '../writing/proposer.js'
import { askForLease, isTaken, type LeaseOptions, untilMoved } from '../leases/lease.js'
import { CarriedClaim, Claim, parseClaimId } from './claim.js'

export interface ClaimOptions extends LeaseOptions {
  /** Events in one claim, at most. Default 64. */
  readonly max?: number
  /** Bytes of the changes in it, at most, but for the first. Default 1 MiB. */
  readonly bytes_max?: number
}

/** A subscription as it stands. */
export interface SubscriptionStatus {
  readonly name: string
  readonly filter: Filter
  /** Everything up to here has been handled. */
  readonly acknowledged: Position
  /** Of the last claim, and who had it. It may be over. */
  readonly epoch: number
  readonly claimant: AgentId
}

const EVENTS_MAX = 64
const BYTES_MAX = 1_048_576
const RELEASE_MS = 2_000
/** A claim that is asked for is waited for so long at least. */
const ASKING_MS = 2_000

/**
 * A named subscription of a context (WAK-1): what happened since the last acknowledgement is given to one worker of a
 * pool at a time, and to another if that one dies. Each event is handled at least once: make what handles it idempotent.
 */
export class Subscription {
  readonly #ref: string

  /** @internal Made by `Context.subscribe`. */
  constructor(
    private readonly begin: () => ProposalScope,
    private readonly asked: Asked,
    readonly name: string,
  ) {
    this.#ref = wakeRef(name)
  }

  /** @throws WEFT_SUBSCRIPTION_UNKNOWN · WEFT_CLOSED */
  get status(): SubscriptionStatus {
    return statusOf(this.begin().context, this.name)
  }

  /**
   * Claims what comes next: waits while another worker has a claim, and while there is nothing, for `timeout_ms` at most;
   * when there is something then, the peer is waited for that grants it.
   * @throws WEFT_LEASE_HELD, or WEFT_NOT_SYNCED when there was nothing, when `timeout_ms` passes first · WEFT_ABORTED ·
   *   WEFT_SCOPE · WEFT_SUBSCRIPTION_UNKNOWN · WEFT_LEASE_INVALID · WEFT_USAGE · WEFT_ID_INVALID of one that the peer keeps
   */
  async claim(options: ClaimOptions = {}): Promise<Claim> {
    const { max = EVENTS_MAX, bytes_max = BYTES_MAX, timeout_ms } = checkWait(options)
    if (!(Number.isSafeInteger(max) && max > 0)) throw badBound(max)
    checkSubscription(this.name)
    const left = leftOf(this.asked.clock, timeout_ms)
    const next = nextOf(this.name)
    for (;;) {
      const scope = this.begin()
      await scope.context.until(() => next(scope, ONE) !== undefined, { ...options, ...left() })
      const seen = scope.context.set.leases.get(this.#ref)
      try {
        const request = { on: this.#ref, writes: [this.#ref] }
        // What is granted when nobody waits any more would be kept from all others until it runs out.
        const { timeout_ms: left_ms } = left()
        const asking = left_ms === undefined ? {} : { timeout_ms: Math.max(left_ms, ASKING_MS) }
        const lease = await askForLease(scope, this.asked, request, { ...options, ...asking })
        const range = next(scope, { events_max: max, bytes_max })
        if (range) return new Claim(scope, lease, range, scope.context.index.idAt(range.to)!)
        await lease.release({ timeout_ms: RELEASE_MS })
      } catch (error) {
        if (!isTaken(error, this.#ref)) throw error
        await untilMoved(scope, this.#ref, seen, error, { ...options, ...left() })
      }
    }
  }

  /**
   * A claim on this subscription by its `id`, whichever worker made it, to acknowledge it, renew it or give it back: for
   * who hands what was claimed to another process. Claim with `renew: false` then.
   * @throws WEFT_USAGE
   */
  carried(id: string): CarriedClaim {
    const { epoch, to } = parseClaimId(id)
    return new CarriedClaim(this.begin, this.asked, this.#ref, epoch, to)
  }

  /**
   * Claims, one after the other, as a worker of a pool does; ends when the signal aborts. A claim that is not over when
   * the next one is asked for, or when the loop is left, is given back.
   * @throws as `claim`
   */
  async *claims(options: Omit<ClaimOptions, 'timeout_ms'> = {}): AsyncGenerator<Claim> {
    const { signal } = options
    while (!signal?.aborted) {
      let claim: Claim
      try {
        claim = await this.claim(options)
      } catch (error) {
        if (signal?.aborted) return
        throw error
      }
      try {
        yield claim
      } finally {
        await claim.release({ timeout_ms: RELEASE_MS }).catch(() => {})
      }
    }
  }
}

/** @throws WEFT_SUBSCRIPTION_UNKNOWN */
export function statusOf({ set, index }: ContextReplica, name: string): SubscriptionStatus {
  const filter = set.wakes.filterOf(name)
  if (filter === undefined) throw unknownSubscription(name, set.wakes.names())
  const { epoch, holder } = set.leases.get(wakeRef(name))!
  const acknowledged = set.wakes.acknowledged(name, position => index.idAt(position))
  return { name, filter, acknowledged, epoch, claimant: holder }
}

const ONE = { events_max: 1, bytes_max: 1 }

/** What was looked at and holds nothing, in the log as it was after so many rewrites. */
interface Passed {
  readonly epoch: number
  readonly position: Position
  readonly rewrites: number
}

/** Looks for what comes next after what is acknowledged; what it has passed over before it does not look at again. */
function nextOf(name: string) {
  let passed: Passed | undefined
  return (scope: ProposalScope, bounds: { readonly events_max: number; readonly bytes_max: number }) => {
    const { set, index } = scope.context
    const { filter, acknowledged, epoch } = statusOf(scope.context, name)
    const isPassed =
      passed?.epoch === epoch &&
      passed.position <= index.position &&
      passed.position < index.rewrittenSince(passed.rewrites)
    const after = isPassed ? Math.max(acknowledged, passed!.position) : acknowledged
    const changeAt = (position: Position) => set.change(set.dag.node(index.idAt(position)!))
    const range = nextRange({ position: index.position, changeAt }, after, filter, bounds)
    if (range) return { ...range, from: acknowledged + 1 }
    passed = { epoch, position: index.position, rewrites: index.rewrites }
    return undefined
  }
}

function unknownSubscription(name: string, known: readonly string[]): WeftError {
  return new WeftError(
    'WEFT_SUBSCRIPTION_UNKNOWN',
    `there is no subscription ${JSON.stringify(name)} in this context`,
    known.length === 0
      ? 'define it first: subscribe(name)'
      : `define it first, or use one of: ${known.join(', ')}`,
    { subscription: name },
  )
}

function badBound(max: number): WeftError {
  return new WeftError('WEFT_USAGE', `a claim of ${max} events`, 'ask for a whole number of events from 1 on')
}
