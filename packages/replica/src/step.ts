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
  type Window,
  type WindowFormat,
} from '@weft/core'
import { produce } from 'immer'
import type { EntryOf } from './branch-reader.js'
import { DraftChange, type Recipe } from './draft-change.js'
import type { Snapshot } from './snapshot.js'
import type { StepWindows } from './step-windows.js'
import { ReadLog, trackDraft, trackReads } from './tracked.js'
import type { MakeWindow, WindowOptions } from './windows.js'

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

  /** @internal Made by `Context.step`. */
  constructor(
    readonly name: string,
    private readonly definition: ContextDefinition<State, Entries>,
    private readonly snapshot: Snapshot<State, EntryOf<Entries>>,
    /** Aborts when the step should give up. */
    readonly signal: AbortSignal,
    private readonly makeWindow: MakeWindow,
    /** @internal The windows that it has made. */
    readonly windows: StepWindows,
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

  /**
   * The snapshot flattened for a model. It is recorded so that it can be made again, and all that is in it counts as
   * read. @throws as `Context.window`
   */
  window<As extends WindowFormat = 'openai'>(options: WindowOptions<As>): Window<As> {
    this.#check()
    const window = this.makeWindow(options)
    this.windows.add(window)
    return window
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
    this.#ended = true
    const read = this.#log.pointers().map(pointer => ({ ref: stateRef(pointer) }))
    const entries = [...new Set([...this.#entriesRead, ...this.windows.reads()])]
      .sort()
      .map(id => ({ ref: entryRef(id) }))
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
