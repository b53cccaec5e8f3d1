import {
  type ContextDefinition,
  type EntriesOptions,
  type Entry,
  type EntrySchemas,
  entryRef,
  formatRef,
  type InputOf,
  type JsonObject,
  type KindOf,
  type ManifestRef,
  parseRef,
  stateRef,
  validateState,
  WeftError,
} from '@weft/core'
import { type Promotable, plain, Scratch, type ScratchLink } from '@weft/scratch'
import { produce } from 'immer'
import type { EntryOf } from './branch-reader.js'
import { DraftChange, type Recipe } from './draft-change.js'
import type { Snapshot } from './snapshot.js'
import { ReadLog, trackDraft, trackReads } from './tracked.js'

/**
 * One turn of an agent: reads one causal snapshot plus its own writes, and collects one change (STP-1). What it reads
 * through this handle becomes the manifest of what it writes (STL-1).
 */
export class Step<State, Entries extends EntrySchemas> {
  readonly #draft: DraftChange<State, Entries>
  readonly #log = new ReadLog()
  readonly #entriesRead = new Set<string>()
  readonly #dependencies = new Map<string, ManifestRef>()
  #state: State
  #changed = false
  #view: { readonly of: State; readonly tracked: State } | undefined
  #ended = false
  #scratch: Scratch | undefined

  /** @internal Made by `Context.step`. */
  constructor(
    readonly name: string,
    private readonly definition: ContextDefinition<State, Entries>,
    private readonly snapshot: Snapshot<State, EntryOf<Entries>>,
    /** Aborts when the step should give up. */
    readonly signal: AbortSignal,
    private readonly scratchLink: ScratchLink,
  ) {
    this.#draft = new DraftChange(definition)
    this.#state = snapshot.state
  }

  /** The snapshot's state with what this step has changed; immutable. Reads of it are recorded. */
  get state(): Readonly<State> {
    this.#check()
    if (this.#view?.of !== this.#state) {
      this.#view = { of: this.#state, tracked: trackReads(this.#state, this.#log) }
    }
    return this.#view.tracked
  }

  /** The snapshot's entries, flattened. Looking at the value of one records that it was read. */
  entries(options: EntriesOptions = {}): readonly EntryOf<Entries>[] {
    this.#check()
    return this.snapshot.entries(options).map(entry => this.#tracked(entry))
  }

  /** Writes an entry. @throws as `Context.append`, and WEFT_REF_INVALID */
  append<Kind extends KindOf<Entries>>(
    kind: Kind,
    value: InputOf<Entries, Kind>,
    options: { readonly dependsOn?: readonly string[] } = {},
  ): this {
    this.#check()
    this.#draft.append(kind, value, options)
    return this
  }

  /** A Yjs document of this step's own, for drafts: gone when the step ends, fails or is aborted (TIR-1). */
  get scratch(): Scratch {
    this.#check()
    if (this.#scratch === undefined) {
      const scratch = new Scratch(this.scratchLink)
      this.#scratch = scratch
      this.signal.addEventListener('abort', () => scratch.end(), { once: true })
    }
    return this.#scratch
  }

  /**
   * Writes scratch content as a durable entry: `value`, in which texts, maps and arrays of the scratch may stand for
   * what they hold now; or, without one, all that was opened in it, by name. @throws as `append`
   */
  promote<Kind extends KindOf<Entries>>(
    kind: Kind,
    value?: Promotable<InputOf<Entries, Kind>>,
    options: { readonly dependsOn?: readonly string[] } = {},
  ): this {
    const content = plain(value === undefined ? this.scratch.content() : value)
    return this.append(kind, content as InputOf<Entries, Kind>, options)
  }

  /** Changes the state. What the recipe reads is recorded, what it only writes is not. @throws as `Context.change` */
  change(recipe: Recipe<State>): this {
    this.#check()
    const tracked = (draft: unknown): unknown => recipe(trackDraft(draft as object, this.#log) as never)
    const next = produce(this.#state, tracked as never) as JsonObject
    this.#state = validateState(this.definition.state, next) as State
    this.#changed = true
    return this
  }

  /** Records what this step was derived from beside what it read here: `ext:doc/17@v3`. @throws WEFT_REF_INVALID */
  dependsOn(...refs: readonly string[]): this {
    this.#check()
    for (const text of refs) {
      const ref = parseRef(text)
      this.#dependencies.set(formatRef(ref), ref)
    }
    return this
  }

  /** @internal What the step would write; after it nothing more can be added. */
  finish(): {
    entries: DraftChange<State, Entries>['entries']
    reads: ManifestRef[]
    state: JsonObject | undefined
  } {
    this.#check()
    this.abandon()
    const read = this.#log.pointers().map(pointer => ({ ref: stateRef(pointer) }))
    const entries = [...this.#entriesRead].sort().map(id => ({ ref: entryRef(id) }))
    const dependencies = [...this.#dependencies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref)
    return {
      entries: this.#draft.entries,
      reads: [...read, ...entries, ...dependencies, ...this.#draft.reads],
      state: this.#changed ? (this.#state as JsonObject) : undefined,
    }
  }

  /** @internal */
  abandon(): void {
    this.#ended = true
    this.#scratch?.end()
  }

  #tracked(entry: EntryOf<Entries>): EntryOf<Entries> {
    const { value, ...rest } = entry as Entry
    const record = (): void => void this.#entriesRead.add(entry.id)
    const tracked = Object.defineProperty({ ...rest }, 'value', {
      enumerable: true,
      get: () => {
        record()
        return value
      },
    })
    return Object.freeze(tracked) as unknown as EntryOf<Entries>
  }

  #check(): void {
    if (!this.#ended) return
    throw new WeftError(
      'WEFT_STEP_ENDED',
      `step ${JSON.stringify(this.name)} has ended`,
      'await everything inside the step, or write through the context or a new step',
    )
  }
}
