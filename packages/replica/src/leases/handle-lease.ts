import { type BranchName, branchRef, WeftError } from '@weft/core'
import { handleClosed } from '../base/context-errors.js'
import { Listeners } from '../base/listeners.js'
import { checkWait, leftOf, type WaitOptions, within } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ProposalScope } from '../writing/proposer.js'
import { acquireLease, type Lease, type LeaseOptions } from './lease.js'

const RELEASE_MS = 2_000

/** The lease of a handle on its branch: asked for by one call at a time, and over with the handle. */
export class HandleLease {
  readonly #on: string
  #lease: Lease | undefined
  #under: Readonly<Record<string, number>> | undefined
  /** Resolves when what was asked for is had, or is not. */
  #asking: Promise<unknown> | undefined
  #ending: Promise<void> | undefined
  readonly #endListeners = new Listeners<[]>()

  constructor(
    branch: BranchName,
    private readonly asked: Asked,
  ) {
    this.#on = branchRef(branch)
  }

  /** The one that the handle writes under, or has lost. */
  get holding(): Lease | undefined {
    if (this.#lease?.isGivenBack) this.#set(undefined)
    return this.#lease
  }

  /** The epochs that the handle writes under. */
  get under(): Readonly<Record<string, number>> | undefined {
    return this.#under
  }

  /**
   * The lease that is held, or else one that is asked for. A handle does not wait for itself: of calls that come together
   * the first asks, and the others are given what comes of that, or ask then.
   * @throws WEFT_LEASE_HELD when `timeout_ms` passes first · WEFT_CLOSED when the handle is closed first, and as
   *   `acquireLease`
   */
  async ask(begin: () => ProposalScope, options: LeaseOptions): Promise<Lease> {
    const { clock } = this.asked
    const left = leftOf(clock, checkWait(options).timeout_ms)
    while (this.#asking)
      await within(clock, this.#asking, { ...options, ...left() }, () => askedForStill(this.#on))
    const { holding } = this
    if (holding?.held) return holding
    const asking = this.#acquire(begin, { ...options, ...left() })
    this.#asking = asking.catch(() => {})
    return asking.finally(() => {
      this.#asking = undefined
    })
  }

  /** Gives it back; none is had any more. Whoever cannot be reached will see it run out. */
  end(options: WaitOptions): Promise<void> {
    this.#ending ??= this.#end({ timeout_ms: RELEASE_MS, ...options })
    this.#endListeners.tell()
    return this.#ending
  }

  async #end(wait: WaitOptions): Promise<void> {
    const { clock } = this.asked
    const { holding } = this
    const asking = this.#asking && within(clock, this.#asking, wait, () => askedForStill(this.#on))
    await Promise.all([asking, holding?.release(wait)].map(over => over?.catch(() => {})))
  }

  async #acquire(begin: () => ProposalScope, options: LeaseOptions): Promise<Lease> {
    this.#set(undefined)
    const request = { on: this.#on, onEnd: (listener: () => void) => this.#onEnd(listener) }
    const lease = await acquireLease(() => this.#begin(begin), this.asked, request, options)
    if (this.#ending) {
      await lease.release({ timeout_ms: RELEASE_MS }).catch(() => {})
      throw handleClosed()
    }
    this.#set(lease)
    return lease
  }

  #begin(begin: () => ProposalScope): ProposalScope {
    if (this.#ending) throw handleClosed()
    return begin()
  }

  #onEnd(listener: () => void): () => void {
    const stop = this.#endListeners.add(listener)
    if (this.#ending) listener()
    return stop
  }

  #set(lease: Lease | undefined): void {
    this.#lease = lease
    this.#under = lease && { [this.#on]: lease.epoch }
  }
}

function askedForStill(on: string): WeftError {
  return new WeftError(
    'WEFT_LEASE_HELD',
    `this handle has asked for the lease on ${on} before, and does not have it yet`,
    'wait longer, or for what was asked first',
    { on },
  )
}
