import {
  type AuditRecord,
  audit,
  type ChangeId,
  type ChangeSet,
  NO_NODE,
  WeftError,
  withDescendants,
} from '@weft/core'

/** What goes with a change that the peer has refused, and what its author is told. */
export interface Withdrawal {
  readonly refused: ChangeId
  readonly ids: readonly ChangeId[]
  readonly error: WeftError
}

/**
 * Refused changes, each with all that depends on it (DUR-7), handed back in the error's `details.withdrawn`. What depends
 * on several goes with the first; one that depends on another is told of with that.
 */
export function withdrawalsOf(
  set: ChangeSet,
  refusals: ReadonlyMap<ChangeId, WeftError>,
): readonly Withdrawal[] {
  const { dag } = set
  const refusedWith = new Map<number, ChangeId>()
  const withdrawn = new Map<ChangeId, AuditRecord[]>()
  for (const refused of refusals.keys()) {
    const first = dag.find(refused)
    if (first === NO_NODE || refusedWith.has(first)) continue
    withdrawn.set(refused, [])
    for (const node of withDescendants(dag, first)) if (!refusedWith.has(node)) refusedWith.set(node, refused)
  }
  for (const record of audit(set, set.everything(), {}, new Set(refusedWith.keys())))
    withdrawn.get(refusedWith.get(dag.node(record.change))!)!.push(record)
  return [...withdrawn].map(([refused, records]) => ({
    refused,
    ids: records.map(({ change }) => change),
    error: handedBack(refused, records, refusals.get(refused)!),
  }))
}

function handedBack(refused: ChangeId, withdrawn: readonly AuditRecord[], cause: WeftError): WeftError {
  return new WeftError(
    cause.code,
    `the peer refused change ${refused.slice(0, 12)}: ${cause.message}`,
    cause.cure,
    { ...cause.details, refused, withdrawn },
    { cause },
  )
}

/** What the peer refuses within a turn is taken back when that is over, at once: each time, the whole set is made anew. */
export class Refusals {
  #refused = new Map<ChangeId, WeftError>()
  /** Withdrawn with something else, or before the peer said so: what it will say of them is known. */
  readonly #told = new Set<ChangeId>()

  constructor(private readonly takeBack: (refusals: ReadonlyMap<ChangeId, WeftError>) => void) {}

  add(id: ChangeId, cause: WeftError): void {
    if (this.#refused.size === 0) queueMicrotask(() => this.settle())
    this.#refused.set(id, cause)
  }

  /** These were withdrawn, and the peer is yet to answer them over this connection. */
  told(ids: Iterable<ChangeId>): void {
    for (const id of ids) this.#told.add(id)
  }

  /** Whether this is the answer to one of those. */
  isTold(id: ChangeId): boolean {
    return this.#told.delete(id)
  }

  /** What was under way before is answered by nobody. */
  reconnected(): void {
    this.#told.clear()
  }

  /** Takes them back now. */
  settle(): void {
    const refused = this.#refused
    if (refused.size === 0) return
    this.#refused = new Map()
    this.takeBack(refused)
  }
}
