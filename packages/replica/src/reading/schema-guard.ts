import {
  ANY_CONTEXT,
  type BranchName,
  type ContextDefinition,
  checkSchema,
  isOlder,
  type JsonObject,
  migratedState,
  migrationOf,
  NO_NODE,
  type StateDoc,
  WeftError,
} from '@weft/core'
import { nodeHost } from '../base/node-host.js'
import type { ContextReplica } from '../sync/context-replica.js'

/** Keeps a handle to what its definition knows, and brings what is older to it (HND-2). */
export class SchemaGuard {
  /** What an older branch shows, while nothing has been written to it. */
  #migrated: { readonly of: JsonObject; readonly state: JsonObject } | undefined

  constructor(
    private readonly context: ContextReplica,
    private readonly definition: ContextDefinition,
    private readonly branch: BranchName,
  ) {}

  /** Lets go of what was shown. */
  forget(): void {
    this.#migrated = undefined
  }

  /** @throws WEFT_SCHEMA_UNKNOWN when the branch is, by now, at what the definition does not know */
  check(): void {
    checkSchema(this.context.set, this.definition, this.branch)
  }

  /** The state, in the shape of the definition. @throws WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED */
  shown(document: StateDoc): JsonObject {
    const state = document.read()
    if (!isOlder(this.context.set, this.definition, this.branch)) return state
    if (this.#migrated?.of !== state) {
      this.#migrated = {
        of: state,
        state: migratedState(this.context.set, this.definition, this.branch, state),
      }
    }
    return this.#migrated.state
  }

  /**
   * Writes what brings a branch to the definition's version, if any of it is older; all writing begins with this.
   * @param under the epochs of the leases that it is written under
   * @throws WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED; then nothing was written
   */
  upToDate(branch: BranchName = this.branch, under?: Readonly<Record<string, number>>): void {
    if ((this.definition as unknown) === ANY_CONTEXT) throw readsOnly()
    const { set } = this.context
    const next = () => migrationOf(set, this.definition, branch, nodeHost.hash, under)
    for (let change = next(); change !== undefined; change = next()) {
      if (set.add(change) !== NO_NODE) this.context.wrote(change)
    }
  }

  /**
   * What opening a branch asks of it. Who may not write, or opens without knowing what the peer has, sees the older
   * state as it would be; it is then written with the handle's first write, if there is one.
   * @throws WEFT_SCHEMA_UNKNOWN · WEFT_MIGRATION_FAILED
   */
  open(document: StateDoc, writes: boolean): void {
    this.check()
    if ((this.definition as unknown) === ANY_CONTEXT) return
    // Also where only some of it is older: what an older worker wrote beside a newer one is part of the state.
    if (writes) this.upToDate()
    else if (isOlder(this.context.set, this.definition, this.branch)) this.shown(document)
  }
}

function readsOnly(): WeftError {
  return new WeftError(
    'WEFT_SCHEMA_UNKNOWN',
    'this handle was opened as ANY_CONTEXT: it reads and carries, and knows no schema to write by',
    'open the context with its definition to write to it',
  )
}
