import { type ContextEvent, type EventRange, fromHex, type Position, wakeNote } from '@weft/core'
import type { Lease } from './lease.js'
import { type ProposalScope, propose } from './proposer.js'
import type { WaitOptions } from './waiting.js'

/**
 * A contiguous range of what happened, claimed by this worker alone until it is acknowledged, given back or lost. The
 * claim is renewed in the background while it is being handled.
 */
export class Claim {
  /** @internal Made by `Subscription.claim`. */
  constructor(
    private readonly scope: ProposalScope,
    private readonly lease: Lease,
    private readonly range: EventRange,
  ) {}

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

  /** Aborts when the claim is acknowledged, given back or lost; its reason says which. */
  get signal(): AbortSignal {
    return this.lease.signal
  }

  /**
   * All of the range has been handled: nobody is given it again.
   * @throws WEFT_LEASE_LOST when somebody else has taken over, and handles it again · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async ack(options: WaitOptions = {}): Promise<void> {
    this.lease.check()
    const { on, epoch } = this.lease
    const { index } = this.scope.context
    const wake = wakeNote(this.to, fromHex(index.idAt(this.to)!))
    try {
      await propose(
        this.scope,
        { writes: [on], notes: { lease: { on, epoch, ttl_ms: 0 }, wake } },
        {},
        options,
      )
    } finally {
      this.lease.spent()
    }
  }

  /** Gives it back unhandled: the next one to claim is given it. Does nothing when the claim is over. */
  async release(options: WaitOptions = {}): Promise<void> {
    await this.lease.release(options)
  }
}
