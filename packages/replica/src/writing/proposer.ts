import {
  type AgentId,
  type BranchName,
  BranchWriter,
  type Change,
  type ChangeId,
  type EntryId,
  entryId,
  isWeftError,
  type JsonObject,
  type Position,
  type Preconditions,
  type SchemaVersion,
  type WeftError,
  type Write,
} from '@weft/core'
import { undecided } from '../base/context-errors.js'
import { checkWait, leftOf, pause, type WaitOptions, within } from '../base/waiting.js'
import type { ContextReplica } from '../sync/context-replica.js'
import { type Expectations, preconditionsOf } from '../sync/expectations.js'

/** A write that the peer has taken. */
export interface Accepted {
  readonly change: ChangeId
  readonly entries: readonly EntryId[]
  readonly position: Position
}

/** Where a proposal is made, and under which leases. */
export interface ProposalScope {
  readonly context: ContextReplica
  readonly branch: BranchName
  readonly agent: AgentId
  readonly under: Readonly<Record<string, number>> | undefined
  /** Undefined for what is no work: who claims what, and how far they are. */
  readonly schema: SchemaVersion | undefined
}

/**
 * A write on condition (DUR-6), by an actor of its own: so what it writes is in nobody's past, its author's least of
 * all, before the peer has taken it. Free it when it is over.
 */
export class Proposal {
  readonly #writer: BranchWriter

  constructor(
    private readonly scope: ProposalScope,
    /** What its author has seen. */
    readonly heads: readonly ChangeId[],
  ) {
    const { context, branch, agent, schema } = scope
    const { set } = context
    this.#writer = new BranchWriter(set, context.host, branch, agent, set.nodes(heads), schema)
    this.#writer.under = scope.under
  }

  /** The state that its author sees. */
  get state(): JsonObject {
    return this.#writer.state.read()
  }

  /**
   * Offers the write, once, but for as long as its tenant writes too fast; resolves when the peer has taken it and it is
   * visible here.
   * @throws WEFT_PRECONDITION · WEFT_LEASE_* · WEFT_SCOPE · WEFT_QUOTA_RATE and the peer's other refusals: nothing was written
   *   then.
   *   WEFT_ABORTED · WEFT_NOT_SYNCED · WEFT_CLOSED: whether it was, is not known; if it was, it will be seen
   */
  async offer(write: Write, expect: Expectations, options: WaitOptions): Promise<Accepted | undefined> {
    checkWait(options)
    const preconditions = preconditionsOf(this.#writer.set, this.scope.branch, this.heads, expect)
    const change = this.#writer.seal(write)
    if (change === undefined) return undefined
    const position = await this.#untilTaken(change, preconditions, options)
    const entries = change.header.kinds.map((_, index) => entryId(change.id, index))
    return { change: change.id, entries, position }
  }

  /** The peer does not keep what its tenant has no rate for: who has the time offers it again, and others are told. */
  async #untilTaken(change: Change, preconditions: Preconditions, options: WaitOptions): Promise<Position> {
    const { context } = this.scope
    const { clock } = context.host
    const left = leftOf(clock, options.timeout_ms)
    for (;;) {
      const taken = context.propose(change, preconditions)
      try {
        return await within(clock, taken, { ...options, ...left() }, () => undecided(change.id))
      } catch (error) {
        const wait_ms = rateWaitOf(error)
        // An offer whose answer cannot come in time would leave open whether it was taken.
        if (wait_ms === undefined || (left().timeout_ms ?? Infinity) < wait_ms + ANSWER_MS) throw error
        await pause(clock, wait_ms, options)
      }
    }
  }

  free(): void {
    this.#writer.state.free()
  }
}

const ANSWER_MS = 1_000
const PAUSE_MS_MAX = 1_000

/** How long to wait before a change is offered again that there was no rate for. */
function rateWaitOf(error: unknown): number | undefined {
  if (!isRefusedFor(error, 'WEFT_QUOTA_RATE')) return undefined
  const { retry_after_ms } = error.details
  return typeof retry_after_ms === 'number' ? Math.max(1, Math.min(retry_after_ms, PAUSE_MS_MAX)) : undefined
}

/**
 * Proposes one write that is never empty.
 * @param heads what its author has seen; default: what the branch shows now
 * @throws as `Proposal.offer`
 */
export async function propose(
  scope: ProposalScope,
  write: Write,
  expect: Expectations,
  options: WaitOptions,
  heads: readonly ChangeId[] = scope.context.set.heads(scope.branch),
): Promise<Accepted> {
  const proposal = new Proposal(scope, heads)
  try {
    return (await proposal.offer(write, expect, options))!
  } finally {
    proposal.free()
  }
}

/** After a refusal: resolves when what stood in the way is here. @throws WEFT_NOT_SYNCED · WEFT_ABORTED */
export async function untilSeen(
  context: ContextReplica,
  refusal: WeftError,
  options: WaitOptions,
): Promise<void> {
  const awaited = changesIn(refusal)
  await context.until(() => awaited.every(id => context.set.has(id)), options)
}

export function isRefusedFor(error: unknown, code: WeftError['code']): error is WeftError {
  return isWeftError(error) && error.code === code
}

/** The changes that a refusal names: what came from the peer is looked at as what it is, anything. */
function changesIn({ details }: WeftError): ChangeId[] {
  const { moved, heads } = details
  return [
    ...recordsIn(moved).map(({ change }) => change),
    ...recordsIn(heads).flatMap(({ heads: ids }) => (Array.isArray(ids) ? ids : [])),
  ].filter(id => typeof id === 'string')
}

function recordsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(each => typeof each === 'object' && each !== null) : []
}
