import { audit, type ChangeId, type ChangeSet, type Node, WeftError, withDescendants } from '@weft/core'

/** What goes with a change that the peer has refused, and what its author is told. */
export interface Withdrawal {
  readonly ids: ReadonlySet<ChangeId>
  readonly error: WeftError
}

/** A refused change and all that depends on it (DUR-7), handed back in the error's `details.withdrawn`. */
export function withdrawalOf(set: ChangeSet, refused: Node, cause: WeftError): Withdrawal {
  const { dag } = set
  const id = dag.id(refused)
  const withdrawn = [...audit(set, set.everything(), {}, withDescendants(dag, refused))]
  const error = new WeftError(
    cause.code,
    `the peer refused change ${id.slice(0, 12)}: ${cause.message}`,
    cause.cure,
    { ...cause.details, refused: id, withdrawn },
    { cause },
  )
  return { ids: new Set(withdrawn.map(({ change }) => change)), error }
}
