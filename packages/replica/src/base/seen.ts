import {
  type BranchName,
  type ChangeId,
  type ChangeSet,
  type ContextDefinition,
  type EntrySchemas,
  type Node,
  WeftError,
} from '@weft/core'

/**
 * What an author says it has seen of a branch, as heads that a write can depend on: the branch has to show them, as the
 * definition that is written by knows them.
 * @throws WEFT_CHANGE_UNKNOWN · WEFT_SCHEMA_UNKNOWN
 */
export function checkSeen<State, Entries extends EntrySchemas>(
  set: ChangeSet,
  { name, version }: ContextDefinition<State, Entries>,
  branch: BranchName,
  seen: readonly ChangeId[],
): readonly ChangeId[] {
  const nodes = checkShown(set, branch, seen)
  for (const at of set.schemas.at(nodes)) {
    if (at.name !== name || at.version !== version) throw migratedSince(branch, at, { name, version })
  }
  return set.ids(set.maximal(nodes))
}

/** The nodes of changes that a branch shows. @throws WEFT_CHANGE_UNKNOWN */
export function checkShown(set: ChangeSet, branch: BranchName, ids: readonly ChangeId[]): Node[] {
  const nodes = set.nodes(ids)
  const view = set.view(branch)
  const elsewhere = nodes.find(node => !view.has(node))
  if (elsewhere !== undefined) throw notShown(branch, set.dag.id(elsewhere))
  return nodes
}

function notShown(branch: BranchName, change: ChangeId): WeftError {
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `branch ${branch} does not show change ${change.slice(0, 12)}`,
    'pass heads as a read of this very branch told them',
    { branch, change },
  )
}

function migratedSince(
  branch: BranchName,
  at: { readonly name: string; readonly version: number },
  known: { readonly name: string; readonly version: number },
): WeftError {
  return new WeftError(
    'WEFT_SCHEMA_UNKNOWN',
    `what was seen of branch ${branch} is at ${at.name}@${at.version}, and is written to by ${known.name}@${known.version}`,
    'read the branch again, and write on what it shows now',
    { branch, ...at, known },
  )
}
