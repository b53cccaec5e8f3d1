import {
  type AuditFilter,
  type AuditRecord,
  audit,
  type BranchName,
  type Change,
  type ChangeId,
  type ChangeSet,
  type Conflict,
  type EntriesOptions,
  type Entry,
  embeddedOverlays,
  findConflicts,
  type JsonObject,
  type Node,
  type OverlaysNote,
  StateDoc,
  type View,
} from '@weft/core'

/** A context as some heads show it: fixed, whatever is written later. */
export class Snapshot<State = JsonObject, AnyEntry extends Entry = Entry> {
  readonly #nodes: readonly Node[]
  #ownView: View | undefined
  /** The branch's own view, as long as it shows no more than at first. */
  readonly #shared: { readonly view: View; readonly size: number } | undefined
  #state: JsonObject | undefined

  constructor(
    private readonly set: ChangeSet,
    readonly branch: BranchName,
    readonly heads: readonly ChangeId[],
    /** What the state is where nothing has been written. */
    private readonly initial?: JsonObject,
    /** The state, where the heads are the branch's present ones: nothing need then be made of them. */
    present?: JsonObject,
  ) {
    this.#nodes = set.nodes(heads)
    if (present === undefined) return
    const view = set.view(branch)
    this.#shared = { view, size: view.size }
    this.#state = present
  }

  /** The state, deeply frozen. */
  get state(): Readonly<State> {
    if (this.#state === undefined) this.#state = this.#readState()
    return this.#state as Readonly<State>
  }

  /** The number of changes visible. */
  get size(): number {
    return this.#view.size
  }

  /** Flattened; without those that had been reverted by then, unless asked for. */
  entries(options: Omit<EntriesOptions, 'engine'> = {}): readonly AnyEntry[] {
    return this.set.entries(this.#view, options) as readonly Entry[] as readonly AnyEntry[]
  }

  /** Concurrent writes that nobody had resolved by then. */
  conflicts(): readonly Conflict[] {
    const document = new StateDoc(this.set, this.#view)
    try {
      return findConflicts(this.set, this.#view, document)
    } finally {
      document.free()
    }
  }

  /** @internal The newest versions of these overlays that what is visible was written under. */
  embedded(inForce: OverlaysNote): OverlaysNote {
    return embeddedOverlays(this.set, this.#view, inForce)
  }

  /** The changes themselves, deps first: what an export holds. */
  changes(): readonly Change[] {
    return [...this.#view.arrived].map(node => this.set.change(node))
  }

  /** @throws WEFT_FILTER_INVALID · WEFT_POINTER_INVALID */
  audit(filter: AuditFilter = {}): Iterable<AuditRecord> {
    return audit(this.set, this.#view, filter)
  }

  get #view(): View {
    const shared = this.#shared
    if (shared && shared.view.size === shared.size) return shared.view
    this.#ownView ??= this.set.viewAt(this.#nodes)
    return this.#ownView
  }

  #readState(): JsonObject {
    if (this.size === 0 && this.initial) return this.initial
    const document = new StateDoc(this.set, this.#view)
    try {
      return document.read()
    } finally {
      document.free()
    }
  }
}
