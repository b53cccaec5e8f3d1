import { WeftError } from '../base/errors.js'
import type { BranchName } from '../base/ids.js'
import type { Json, JsonObject } from '../base/json.js'
import type { Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import type { EpochsNote } from '../refs/lease-notes.js'
import type { Change } from '../change/change.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import { findConflicts } from '../state/conflicts.js'
import { StateDoc } from '../state/state-doc.js'
import { checkPath, migrateState, migrationFailed } from '../definitions/migration.js'
import { ANY_CONTEXT, type ContextDefinition } from '../definitions/schema.js'
import { deriveChange } from './derived-change.js'
import { genesis } from './genesis.js'

/** Raise when a release makes another change of the same migration. */
const MIGRATION_FORMAT = 1

/** A version that some of a branch is behind. */
interface Behind {
  readonly from: number
  readonly to: number
  /** All that was written before `to`. */
  readonly old: View
  /** What has made `to` of parts of that already: migrations, and the initial state. */
  readonly made: ReadonlySet<Node>
}

/**
 * Whether a definition knows what a branch is at (HND-2). Of a branch where no change names a schema nothing is known,
 * and nothing is against it.
 * @throws WEFT_SCHEMA_UNKNOWN
 */
export function checkSchema(set: ChangeSet, definition: ContextDefinition, branch: BranchName): void {
  if (isAny(definition)) return
  for (const { name, version } of set.schemas.at(set.branches.heads(branch))) {
    if (name === definition.name && version <= definition.version) continue
    throw new WeftError(
      'WEFT_SCHEMA_UNKNOWN',
      `branch ${branch} is at schema ${JSON.stringify(name)} version ${version}, ` +
        `and this worker knows ${JSON.stringify(definition.name)} up to version ${definition.version}`,
      name === definition.name
        ? 'bring this worker to that version: a newer one has migrated the branch'
        : 'open it with the definition of that name; a tool that only reads and carries opens it as ANY_CONTEXT',
      { branch, name, version, known: { name: definition.name, version: definition.version } },
    )
  }
}

/** Whether all of a branch is older than a definition. */
export function isOlder(set: ChangeSet, definition: ContextDefinition, branch: BranchName): boolean {
  const [seen] = set.schemas.at(set.branches.heads(branch))
  return !isAny(definition) && seen !== undefined && seen.version < definition.version
}

/**
 * The state of a branch as its definition knows it, where all of the branch is older; writes nothing.
 * @throws WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED
 */
export function migratedState(
  set: ChangeSet,
  definition: ContextDefinition,
  branch: BranchName,
  state: JsonObject,
): JsonObject {
  const from = set.schemas.at(set.branches.heads(branch))[0]!.version
  return isWritten(set, set.view(branch)) ? migrateState(definition, from, definition.version, state) : state
}

/**
 * The next change that brings a branch, or what has come to it since from an older worker, to its definition's version;
 * undefined when nothing is behind. Its bytes follow from the definition and what is on the branch, so workers that
 * migrate the same write one and the same change. A state that nobody has written stays so.
 * @param under the epochs of leases that it is written under: whoever holds one migrates alone
 * @throws WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED; nothing has changed, then or else
 */
export function migrationOf(
  set: ChangeSet,
  definition: ContextDefinition,
  branch: BranchName,
  hash: Hash,
  under?: EpochsNote,
): Change | undefined {
  checkSchema(set, definition, branch)
  const behind = findBehind(set, definition, branch, hash)
  if (behind === undefined) return undefined
  const { name } = definition
  const { from, to, old, made } = behind
  const state = oldStateMigrated(set, definition, behind)
  const heads = set.branches.heads(branch).filter(node => old.has(node))
  const deps = set.maximal([...heads, ...made])
  try {
    return deriveChange(
      set,
      {
        seed: [
          'weft-migration',
          MIGRATION_FORMAT,
          name,
          from,
          to,
          branch,
          set.ids(deps),
          state,
          ...(under ? [under] : []),
        ] as Json,
        branch,
        deps,
        time: deps.reduce((latest, node) => Math.max(latest, set.change(node).header.time), 0),
        state,
        touches: made.size === 0 ? [] : contestedBy(set, deps, made),
        notes: {
          schema: { name, version: to },
          migrates: from,
          reason: `from version ${from} to ${to}`,
          ...(under && { under }),
        },
      },
      hash,
    )
  } catch (cause) {
    throw migrationFailed(name, to, cause)
  }
}

/** The lowest version that some of the branch is at and that counts: all of it, or what brings state of its own. */
function findBehind(
  set: ChangeSet,
  definition: ContextDefinition,
  branch: BranchName,
  hash: Hash,
): Behind | undefined {
  if (isAny(definition)) return undefined
  const heads = set.branches.heads(branch)
  const versions = [...new Set(heads.map(node => set.schemas.versionOf(node)))]
    .filter(version => version !== undefined)
    .sort((a, b) => a - b)
  for (const [index, from] of versions.entries()) {
    if (from >= definition.version) break
    const to = versions[index + 1] ?? definition.version
    const isOld = (node: Node): boolean => (set.schemas.versionOf(node) ?? from) < to
    const old = set.viewAt(heads.filter(isOld))
    const newer = set.viewAt(heads.filter(node => !isOld(node)))
    if (newer.size > 0 && !isWritten(set, old, newer)) continue
    return behind(set, definition, { from, to }, [old, newer], hash)
  }
  return undefined
}

function behind(
  set: ChangeSet,
  definition: ContextDefinition,
  { from, to }: Pick<Behind, 'from' | 'to'>,
  views: readonly View[],
  hash: Hash,
): Behind {
  const nodes = new Set(views.flatMap(view => [...view.arrived]))
  const old = [...nodes].filter(node => (set.schemas.versionOf(node) ?? from) < to)
  const initial = to === definition.version ? genesis(definition, hash)?.id : undefined
  const made = [...nodes].filter(node => {
    const { id, header } = set.change(node)
    const migrates = header.notes.migrates !== undefined && header.notes.schema?.version === to
    return migrates || id === initial
  })
  return { from, to, old: set.viewAt(old), made: new Set(made) }
}

function oldStateMigrated(
  set: ChangeSet,
  definition: ContextDefinition,
  { from, to, old }: Behind,
): JsonObject {
  checkPath(definition, from, to)
  const document = new StateDoc(set, old)
  try {
    const state = document.read()
    return isWritten(set, old) ? migrateState(definition, from, to, state) : state
  } finally {
    document.free()
  }
}

/** Pointers at which what was made of an older part disagrees with what was written since: the migration decides them. */
function contestedBy(set: ChangeSet, heads: readonly Node[], made: ReadonlySet<Node>): string[] {
  const view = set.viewAt(heads)
  const document = new StateDoc(set, view)
  try {
    return findConflicts(set, view, document)
      .filter(({ values }) => values.some(({ change }) => made.has(set.dag.node(change))))
      .map(({ pointer }) => pointer)
  } finally {
    document.free()
  }
}

/** Whether a view shows a change of the state, beside those that another one shows. */
function isWritten(set: ChangeSet, view: View, beside?: View): boolean {
  for (const node of view.arrived) {
    if (set.ledger.hashOf(node) !== undefined && !beside?.has(node)) return true
  }
  return false
}

function isAny(definition: ContextDefinition): boolean {
  return (definition as unknown) === ANY_CONTEXT
}
