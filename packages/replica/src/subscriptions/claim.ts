import {
  type ChangeId,
  type ContextEvent,
  type EventRange,
  fromHex,
  type Position,
  subscriptionOf,
  WeftError,
  wakeNote,
} from '@weft/core'
import { checkText } from '../base/arguments.js'
import { leftOf, type WaitOptions } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import { reaches } from '../sync/sessions.js'
import { isRefusedFor, type ProposalScope, propose } from '../writing/proposer.js'
import { type Lease, renewLease } from '../leases/lease.js'

/**
 * A contiguous range of what happened, claimed by this worker alone until it is acknowledged, given back or lost. The
 * claim is renewed in the background while it is being handled, unless it was asked for with `renew: false`.
 */
export class Claim {
  /** @internal Made by `Subscription.claim`. */
  constructor(
    private readonly scope: ProposalScope,
    private readonly lease: Lease,
    private readonly range: EventRange,
    /** The change at the end of the range. */
    private readonly last: ChangeId,
  ) {}

  /** Names it to whoever is to go on with it: see `Subscription.carried`. */
  get id(): string {
    return `${this.epoch}.${this.to}`
  }

  /** In the order of the log; at least one. */
  get events(): readonly ContextEvent[] {
    return this.range.events
  }

  /** The first position of the range, and the last: what lies between its events concerns others. */
  get from(): Position {
    return this.range.from
  }

  get to(): Position {
    return this.range.to
  }

  /** Grows with each claim; what is handled under an older one may be handled again by its successor. */
  get epoch(): number {
    return this.lease.epoch
  }

  /** How long it holds without being renewed. */
  get ttl_ms(): number {
    return this.lease.ttl_ms
  }

  /** Aborts when the claim is acknowledged, given back or lost; its reason says which. */
  get signal(): AbortSignal {
    return this.lease.signal
  }

  /**
   * All of the range has been handled: nobody is given it again.
   * @throws WEFT_LEASE_LOST when somebody else has taken over, and handles it again · WEFT_POSITION_UNKNOWN when the peer
   *   has been rolled back and holds something else there, which the next claim is given · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async ack(options: WaitOptions = {}): Promise<void> {
    this.lease.check()
    try {
      await acknowledge(this.scope, this.lease, { to: this.to, last: this.last }, options)
    } finally {
      this.lease.spent()
    }
  }

  /** As `Lease.renew`, for who has claimed with `renew: false`. */
  async renew(options: WaitOptions = {}): Promise<void> {
    await this.lease.renew(options)
  }

  /** Gives it back unhandled: the next one to claim is given it. Does nothing when the claim is over. */
  async release(options: WaitOptions = {}): Promise<void> {
    await this.lease.release(options)
  }
}

/** A claim that somebody has made anywhere, by its id. Whether it still holds the peer says, each time it is asked. */
export class CarriedClaim {
  /** @internal Made by `Subscription.carried`. */
  constructor(
    private readonly begin: () => ProposalScope,
    private readonly asked: Asked,
    /** `wake:<subscription>` */
    readonly on: string,
    readonly epoch: number,
    readonly to: Position,
  ) {}

  /** As `Claim.ack`; once more is as good as once. @throws as that */
  async ack(options: WaitOptions = {}): Promise<void> {
    const left = leftOf(this.asked.clock, options.timeout_ms)
    const { context } = this.begin()
    const { index } = context
    if (index.position < this.to) {
      if (!(await reaches(this.asked, context, this.to, options))) throw neverMade(this)
      await context.until(() => index.position >= this.to, { ...options, ...left() })
    }
    if (this.#isAcknowledged()) return
    this.#check()
    await acknowledge(
      this.begin(),
      this,
      { to: this.to, last: index.idAt(this.to)! },
      { ...options, ...left() },
    )
  }

  /**
   * Has it hold its whole time from now.
   * @returns how long that is, in ms. @throws WEFT_LEASE_LOST · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async renew(options: WaitOptions = {}): Promise<number> {
    this.#check()
    return renewLease(this.begin().context.workflow, this.asked, this, options)
  }

  /** As `Claim.release`. @throws WEFT_LEASE_LOST when nobody has made it · WEFT_NOT_SYNCED · WEFT_ABORTED */
  async release(options: WaitOptions = {}): Promise<void> {
    try {
      this.#check()
      await propose(this.begin(), { writes: [this.on], notes: { lease: givesBack(this) } }, {}, options)
    } catch (error) {
      if (!isRefusedFor(error, 'WEFT_LEASE_LOST') || Number(error.details.current) < this.epoch) throw error
    }
  }

  /** Whether what is known here says already that it is over: epochs only grow. @throws WEFT_LEASE_LOST */
  #check(): void {
    const known = this.#grant()
    if (known === undefined || known.epoch < this.epoch) return
    if (known.epoch === this.epoch && known.ttl_ms > 0) return
    throw new WeftError(
      'WEFT_LEASE_LOST',
      `the claim under epoch ${this.epoch} is over: ${known.epoch === this.epoch ? 'it was given back' : `${known.epoch} is in force`}`,
      'leave what it was about to whoever claims it next, or claim again',
      { on: this.on, epoch: this.epoch, current: known.epoch },
    )
  }

  #isAcknowledged(): boolean {
    const { set, index } = this.begin().context
    const acknowledged = set.wakes.acknowledged(subscriptionOf(this.on)!, position => index.idAt(position))
    return this.#grant()?.epoch === this.epoch && acknowledged >= this.to
  }

  #grant() {
    return this.begin().context.set.leases.get(this.on)
  }
}

/** @throws WEFT_USAGE */
export function parseClaimId(id: string): { readonly epoch: number; readonly to: Position } {
  checkText('the id of a claim', id, 'pass it as it was given with the claim')
  const [, epoch, to] = /^([1-9]\d{0,14})\.([1-9]\d{0,14})$/.exec(id) ?? []
  if (to !== undefined) return { epoch: Number(epoch), to: Number(to) }
  throw new WeftError(
    'WEFT_USAGE',
    `${JSON.stringify(id.slice(0, 80))} is not the id of a claim`,
    'pass the id as it was given with the claim',
  )
}

interface Held {
  readonly on: string
  readonly epoch: number
}

/** What was claimed is in the log before the claim is. */
function neverMade({ on, epoch, to }: Held & { readonly to: Position }): WeftError {
  return new WeftError(
    'WEFT_LEASE_LOST',
    `no claim under epoch ${epoch} goes up to ${to}: the log does not`,
    'pass the id as it was given with the claim; if the peer has lost the end of its log, claim again',
    { on, epoch },
  )
}

function givesBack({ on, epoch }: Held) {
  return { on, epoch, ttl_ms: 0 }
}

async function acknowledge(
  scope: ProposalScope,
  held: Held,
  { to, last }: { readonly to: Position; readonly last: ChangeId },
  options: WaitOptions,
): Promise<void> {
  const wake = wakeNote(to, fromHex(last))
  await propose(scope, { writes: [held.on], notes: { lease: givesBack(held), wake } }, {}, options)
}
