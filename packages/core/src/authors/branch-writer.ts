import { toHex } from '../base/bytes.js'
import { WeftError } from '../base/errors.js'
import {
  type ActorId,
  type AgentId,
  type BranchName,
  type ChangeId,
  checkBranch,
  checkId,
} from '../base/ids.js'
import type { Json, JsonObject } from '../base/json.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Host } from '../base/ports.js'
import type { EpochsNote } from '../refs/lease-notes.js'
import { checkPlace } from '../refs/list-marks.js'
import { stateRef } from '../refs/ref.js'
import { type Change, sealChange } from '../change/change.js'
import { withEnds } from '../change/header-notes.js'
import { ACTOR_BYTES, type HeaderNotes, type ManifestRef, NO_NOTES } from '../change/header.js'
import { checkManifest } from '../change/manifest.js'
import type { SchemaVersion } from '../notes/schemas.js'
import type { ChangeSet } from '../set/change-set.js'
import { type Shown, StateDoc } from '../state/state-doc.js'

/** What goes into one change. */
export interface Write {
  readonly entries?: readonly { readonly kind: string; readonly value: Json }[]
  /** The whole state as it should be; the difference is what is written. */
  readonly state?: JsonObject
  readonly reads?: readonly ManifestRef[]
  /** Pointers to name as written even where the value is what it was: a resolution that keeps the winner. */
  readonly touches?: readonly string[]
  /** Refs other than state that this writes, as `ext:doc/17@v4`. */
  readonly writes?: readonly string[]
  readonly notes?: HeaderNotes
  /** Heads to depend on instead of the branch's. */
  readonly at?: readonly Node[]
}

export function newActor(random: Host['random']): ActorId {
  const bytes = new Uint8Array(ACTOR_BYTES)
  random(bytes, 0, ACTOR_BYTES)
  return toHex(bytes)
}

/**
 * One actor on one branch: turns writes into changes and adds them to the set. Its deps are what the branch shows at
 * that moment, and always its own previous change (CHG-2). One that is given heads sees those and its own changes, and
 * nothing that has come since.
 */
export class BranchWriter {
  readonly actor: ActorId
  readonly state: StateDoc
  /** The epochs of leases that its changes are written under (HND-3). */
  under: EpochsNote | undefined
  #last: Node = NO_NODE

  constructor(
    readonly set: ChangeSet,
    private readonly host: Host,
    readonly branch: BranchName,
    readonly agent: AgentId,
    private readonly heads?: readonly Node[],
    /** What a change names whose past names no schema. */
    private readonly schema?: SchemaVersion,
  ) {
    checkId('branch', branch)
    checkId('agent', agent)
    this.actor = newActor(host.random)
    this.state = new StateDoc(set, () => this.#shown(), this.actor)
  }

  /** The last change of this writer, or `NO_NODE`. */
  get last(): Node {
    return this.#last
  }

  /**
   * @returns the change, in the set already; or undefined if there was nothing to write
   * @throws WEFT_CHANGE_TOO_LARGE · WEFT_ENTRY_UNKNOWN; then nothing has changed
   */
  write(write: Write): Change | undefined {
    const change = this.seal(write)
    if (change === undefined) return undefined
    try {
      this.#last = this.set.add(change)
      return change
    } catch (error) {
      this.state.reset()
      throw error
    }
  }

  /** As `write`, of a change that is not to be in the set yet: a writer can seal one, and then nothing more. */
  seal(write: Write): Change | undefined {
    const entries = write.entries ?? NONE
    if (write.reads) checkManifest(write.reads, id => this.#entriesIn(id))
    const state = write.state && this.state.write(write.state, write.touches)
    const pointers =
      state === undefined && write.touches === undefined ? NONE : pointersWritten(state, write.touches)
    const writes = write.writes ? [...pointers.map(stateRef), ...write.writes] : pointers.map(stateRef)
    if (entries.length === 0 && writes.length === 0 && write.notes === undefined) return undefined
    const deps = this.#deps(write.at ?? this.heads ?? this.set.branches.heads(this.branch))
    try {
      return sealChange(
        {
          actor: this.actor,
          seq: this.#last === NO_NODE ? 1 : this.set.dag.seq(this.#last) + 1,
          lamport: 1 + deps.reduce((most, node) => Math.max(most, this.set.dag.lamport(node)), 0),
          time: this.host.now(),
          branch: this.branch,
          agent: this.agent,
          deps: this.set.dag.packIds(deps),
          kinds: entries.map(entry => entry.kind),
          values: entries.map(entry => entry.value),
          state: state?.bytes ?? null,
          writes,
          reads: write.reads ?? [],
          notes: this.#noted(withEnds(write.notes ?? NO_NOTES, state?.ends), deps),
        },
        this.host,
        this.set.writer,
      )
    } catch (error) {
      if (state) this.state.reset()
      throw error
    }
  }

  /**
   * Begins branches, in the order given, at the heads of this one, or at nodes in its past. There only a new writer
   * may fork: an actor's change depends on all that it wrote before.
   * @throws WEFT_ID_INVALID · WEFT_BRANCH_EXISTS
   */
  fork(names: readonly BranchName[], at?: readonly Node[]): Change {
    this.checkNew(names)
    return this.write({ notes: { forks: names }, ...(at && { at }) })!
  }

  /** That branches of these names can begin. @throws WEFT_ID_INVALID · WEFT_BRANCH_EXISTS */
  checkNew(names: readonly BranchName[]): void {
    for (const [index, name] of names.entries()) {
      checkBranch(name)
      if (!this.set.branches.has(name) && names.indexOf(name) === index) continue
      throw new WeftError(
        'WEFT_BRANCH_EXISTS',
        `there is a branch ${name} already`,
        'choose another name, or open that branch instead of forking it',
        { branch: name },
      )
    }
  }

  /**
   * Brings branches into this one: one change that depends on all their heads.
   * @throws WEFT_BRANCH_UNKNOWN · WEFT_ID_INVALID
   */
  merge(names: readonly BranchName[]): Change {
    for (const name of names) checkBranch(name)
    this.checkKnown(names)
    const { branches, dag } = this.set
    const all = [...new Set([this.branch, ...names])]
    // Any name may be one that every object has: none of them is assigned.
    const merges = Object.fromEntries(all.map(name => [name, dag.packIds([...branches.heads(name)])]))
    const heads = all.flatMap(name => [...branches.heads(name)])
    return this.write({ notes: { merges }, at: heads })!
  }

  /** That there are branches of these names. @throws WEFT_BRANCH_UNKNOWN */
  checkKnown(names: readonly BranchName[]): void {
    const { branches } = this.set
    for (const name of names) if (!branches.has(name)) throw unknownBranch(name, branches.names())
  }

  /** The state of given heads is what the branch shows of it as long as they are its own, up to what it shows then. */
  #shown(): Shown {
    const { set, branch, heads } = this
    if (heads === undefined) return set.view(branch)
    const present = set.branches.heads(branch)
    const isPresent = heads.length === present.length && present.every(head => heads.includes(head))
    return isPresent ? set.view(branch).pinned() : set.viewAt(heads)
  }

  #entriesIn(id: ChangeId): number | undefined {
    return this.set.has(id) ? this.set.entriesOf(this.set.dag.node(id)).length : undefined
  }

  /** With what its author writes by: the leases that it holds, and the schema where its past names none. */
  #noted(notes: HeaderNotes, deps: readonly Node[]): HeaderNotes {
    const names = this.schema !== undefined && this.set.schemas.at(deps).length === 0
    if (!names && this.under === undefined) return notes
    return { ...(names && { schema: this.schema }), ...notes, ...(this.under && { under: this.under }) }
  }

  #deps(heads: Iterable<Node>): Node[] {
    const deps = this.set.maximal(heads)
    if (this.#last !== NO_NODE && !deps.includes(this.#last)) deps.push(this.#last)
    return deps
  }
}

const NONE: readonly never[] = []

function pointersWritten(
  state: { pointers: string[] } | undefined,
  touches: readonly string[] = [],
): string[] {
  return [...new Set([...(state?.pointers ?? []), ...touches.map(checkPlace)])]
}

export function unknownBranch(name: BranchName, known: readonly BranchName[]): WeftError {
  return new WeftError(
    'WEFT_BRANCH_UNKNOWN',
    `there is no branch ${JSON.stringify(name)} in this context`,
    `fork it first, or use one of: ${known.join(', ')}`,
    { branch: name },
  )
}
