import {
  type ChangeId,
  checkLeaseLength,
  type Clock,
  committedHeads,
  type HeaderNotes,
  type Lease as LeaseGrant,
  WeftError,
  type WorkflowId,
} from '@weft/core'
import { checkWait, deferred, leftOf, type WaitOptions, type Watch, within } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import { isRefusedFor, propose, type ProposalScope } from '../writing/proposer.js'

export interface LeaseOptions extends WaitOptions {
  /** How long it outlives its holder, in ms: it is renewed while the holder lives. Default 10,000; at most an hour. */
  readonly ttl_ms?: number
  /** Whether it is renewed in the background. Without that it runs out unless its holder renews it. Default true. */
  readonly renew?: boolean
}

/** How a lease is asked for. */
export interface LeaseRequest {
  /** `branch:<name>` or `effect:<key>` */
  readonly on: string
  /** What the change that asks for it writes, expects, and says besides. */
  readonly writes?: readonly string[]
  readonly unmoved?: readonly string[]
  readonly notes?: HeaderNotes
  /** What its author has seen; default: what the branch shows. */
  readonly heads?: readonly ChangeId[]
  /** Calls back, at once if it is so, when whoever asks waits no longer: what begins anew then says why. */
  readonly onEnd?: Watch
}

const TTL_MS = 10_000
/** A lease is renewed this often while it runs. */
const RENEWALS = 3

/**
 * Time-bounded ownership (HND-3): until it is lost, or given back, nobody else's commit is taken on what it is on; once
 * somebody else has it, no commit under this one is.
 */
export class Lease {
  readonly #lost = new AbortController()
  #until_ms: number
  #givenBack = false
  #cancelTimer: () => void = () => {}
  #unwatch: () => void = () => {}

  /** @internal Made by `Context.lease`. */
  constructor(
    private readonly scope: ProposalScope,
    private readonly asked: Asked,
    readonly on: string,
    /** Grows with each grant. */
    readonly epoch: number,
    readonly ttl_ms: number,
    /** The change that granted it. */
    readonly change: ChangeId,
    asked_ms: number,
    private readonly renewed: boolean,
  ) {
    this.#until_ms = asked_ms + ttl_ms
    const { context } = scope
    this.#goOn()
    // What is renewed no more must keep no process waiting for the next time.
    this.#unwatch = context.onPosition(() => context.closed && this.#end(context.closed))
  }

  /** Whether its holder has given it back, and not lost it. */
  get isGivenBack(): boolean {
    return this.#givenBack
  }

  /** Aborts when the lease is lost or given back; its reason says which. */
  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Whether it is certain to be held still: by this process's clock, counted from when it last asked. */
  get held(): boolean {
    if (!this.signal.aborted && this.#clock.steady() >= this.#until_ms) this.#end(ranOut(this))
    return !this.signal.aborted
  }

  /** @throws WEFT_LEASE_LOST */
  check(): void {
    if (!this.held) throw this.signal.reason
  }

  /**
   * Has it run its whole time from now. One that is renewed in the background needs no more.
   * @throws WEFT_LEASE_LOST · WEFT_NOT_SYNCED · WEFT_ABORTED
   */
  async renew(options: WaitOptions = {}): Promise<void> {
    this.check()
    const asked_ms = this.#clock.steady()
    try {
      await renewLease(this.scope.context.workflow, this.asked, this, options)
      this.#until_ms = asked_ms + this.ttl_ms
    } catch (error) {
      if (isRefusedFor(error, 'WEFT_LEASE_LOST') || isRefusedFor(error, 'WEFT_CLOSED')) this.#end(error)
      throw error
    }
    this.#goOn()
  }

  /** Gives it back, so that nobody has to wait until it runs out. @throws WEFT_NOT_SYNCED · WEFT_ABORTED */
  async release(options: WaitOptions = {}): Promise<void> {
    if (!this.held) return
    const { on, epoch } = this
    this.#giveBack()
    const writes = on.startsWith('branch:') ? {} : { writes: [on] }
    const write = { ...writes, notes: { lease: { on, epoch, ttl_ms: 0 } } }
    try {
      await propose(this.scope, write, {}, options, this.#committed())
    } catch (error) {
      if (!isRefusedFor(error, 'WEFT_LEASE_LOST')) throw error
    }
  }

  /** @internal The change that was written under it has given it back. */
  spent(): void {
    this.#giveBack()
  }

  #giveBack(): void {
    this.#givenBack = true
    this.#end(givenBack(this))
  }

  /** What others have written here meanwhile may be refused for this very lease, and would take along what depends on it. */
  #committed(): readonly ChangeId[] {
    const { set, index } = this.scope.context
    const grant = set.has(this.change) ? [set.dag.node(this.change)] : []
    return set.ids(set.maximal([...committedHeads(index, set, this.scope.branch), ...grant]))
  }

  get #clock(): Clock {
    return this.asked.clock
  }

  #end(reason: WeftError): void {
    this.#cancelTimer()
    this.#unwatch()
    this.#lost.abort(reason)
  }

  /** Until the next renewal, or until it has run out if nobody renews it. */
  #goOn(): void {
    this.#cancelTimer()
    if (!this.held) return
    const left_ms = this.#until_ms - this.#clock.steady()
    this.#cancelTimer = this.renewed
      ? this.#clock.after(this.ttl_ms / RENEWALS, () => void this.#renewAgain())
      : this.scope.context.host.idleClock.after(left_ms + 1, () => this.#goOn())
  }

  async #renewAgain(): Promise<void> {
    if (!this.held) return
    const wait = { timeout_ms: Math.max(1, this.#until_ms - this.#clock.steady()), signal: this.signal }
    await this.renew(wait).catch(() => this.#goOn())
  }
}

/** @returns for how long it holds, in ms. @throws WEFT_LEASE_LOST · WEFT_NOT_SYNCED · WEFT_ABORTED */
export async function renewLease(
  workflow: WorkflowId,
  asked: Asked,
  { on, epoch }: { readonly on: string; readonly epoch: number },
  options: WaitOptions,
): Promise<number> {
  const request = asked.questions.renew(workflow, on, epoch)
  const late = () => unanswered(on)
  return (await asked.answer<'renewed'>(request, options, late)).ttl_ms
}

/**
 * Asks for a lease until it is had. While somebody else holds it: until it is given back or runs out.
 * @throws WEFT_LEASE_INVALID · WEFT_LEASE_HELD when `timeout_ms` passes first · WEFT_ABORTED · WEFT_PRECONDITION, and as
 *   `Proposal.offer`
 */
export async function acquireLease(
  begin: () => ProposalScope,
  asked: Asked,
  request: LeaseRequest,
  options: LeaseOptions,
): Promise<Lease> {
  const ttl_ms = checkLeaseLength(checkWait(options).ttl_ms ?? TTL_MS)
  const left = leftOf(asked.clock, options.timeout_ms)
  for (;;) {
    const scope = begin()
    const seen = scope.context.set.leases.get(request.on)
    const wait = { ...options, ...left() }
    try {
      return await askForLease(scope, asked, request, { ...wait, ttl_ms })
    } catch (error) {
      if (!isTaken(error, request.on)) throw error
      await untilMoved(scope, request.on, seen, error, wait, request.onEnd)
    }
  }
}

/**
 * Asks for a lease once.
 * @throws WEFT_LEASE_INVALID · WEFT_LEASE_HELD · WEFT_LEASE_LOST when it was granted to somebody since · WEFT_PRECONDITION,
 *   and as `Proposal.offer`
 */
export async function askForLease(
  scope: ProposalScope,
  asked: Asked,
  { on, writes = [], unmoved = [], notes, heads }: LeaseRequest,
  options: LeaseOptions,
): Promise<Lease> {
  const ttl_ms = checkLeaseLength(options.ttl_ms ?? TTL_MS)
  const epoch = (scope.context.set.leases.get(on)?.epoch ?? 0) + 1
  const asked_ms = asked.clock.steady()
  const write = { writes, notes: { ...notes, lease: { on, epoch, ttl_ms } } }
  const { change } = await propose(scope, write, { unmoved }, options, heads)
  return new Lease(scope, asked, on, epoch, ttl_ms, change, asked_ms, options.renew ?? true)
}

/** Somebody holds it, or was granted it since: it is worth while to ask again. */
export function isTaken(error: unknown, on: string): error is WeftError {
  const taken = isRefusedFor(error, 'WEFT_LEASE_HELD') || isRefusedFor(error, 'WEFT_LEASE_LOST')
  return taken && error.details.on === on
}

/**
 * Resolves when another grant or a release is here than was `seen`, or when the lease in force has run out.
 * @throws WEFT_LEASE_HELD when `timeout_ms` passes first · WEFT_ABORTED, and why the peer no longer serves the context
 */
export async function untilMoved(
  { context }: ProposalScope,
  on: string,
  seen: LeaseGrant | undefined,
  refusal: WeftError,
  options: WaitOptions,
  onEnd: Watch = () => () => {},
): Promise<void> {
  const { clock } = context.host
  const moved = deferred<void>()
  const move = (): void => moved.resolve()
  const look = (): void => {
    if (context.set.leases.get(on) !== seen) move()
    else if (context.failure) moved.reject(context.failure)
  }
  const { left_ms } = refusal.details
  const stops = [
    context.listen(look),
    context.onPosition(look),
    onEnd(move),
    typeof left_ms === 'number' ? clock.after(left_ms + 1, move) : () => {},
  ]
  await within(clock, moved.promise, options, () => heldSince(refusal)).finally(() => {
    for (const stop of stops) stop()
  })
}

function ranOut({ on, epoch, ttl_ms }: Lease): WeftError {
  return new WeftError(
    'WEFT_LEASE_LOST',
    `the lease on ${on} under epoch ${epoch} was not renewed within its ${ttl_ms} ms`,
    'stop, or ask for the lease again and read what was written since: somebody else may have taken over',
    { on, epoch },
  )
}

function unanswered(on: string): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `the peer did not say in time that the lease on ${on} is renewed`,
    'check the connection, and renew it again before it runs out',
    { on },
  )
}

function givenBack({ on, epoch }: Lease): WeftError {
  return new WeftError(
    'WEFT_LEASE_LOST',
    `the lease on ${on} under epoch ${epoch} was given back`,
    'ask for it again before writing',
    { on, epoch },
  )
}

/** Who asks for a lease has none that could be lost: somebody else was quicker, and has been since. */
function heldSince(refusal: WeftError): WeftError {
  if (refusal.code === 'WEFT_LEASE_HELD') return refusal
  const { on } = refusal.details
  return new WeftError(
    'WEFT_LEASE_HELD',
    `${String(on)} was granted to somebody else while it was asked for`,
    'wait until it is given back or runs out, and ask for the lease; or write on a branch of your own',
    { on },
    { cause: refusal },
  )
}
