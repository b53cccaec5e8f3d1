import {
  type ChangeId,
  type ContextDefinition,
  type EntriesOptions,
  type EntrySchemas,
  entryRef,
  formatRef,
  type InputOf,
  type JsonObject,
  type KindOf,
  type ManifestRef,
  movedLists,
  overlayRef,
  parseRef,
  stateRef,
  validateState,
  WeftError,
  type Window,
  type WindowFormat,
} from '@weft/core'
import { type Promotable, plain, Scratch, type ScratchLink } from '@weft/scratch'
import { checkObject } from '../base/arguments.js'
import type { Snapshot } from '../base/snapshot.js'
import {
  type OverlayKey,
  type OverlayValueOf,
  type OverlayVersion,
  overlayNameOf,
  typed,
} from '../overlays/overlay-table.js'
import { type ShownOverlay, type StepOverlays, toldOverlays } from '../overlays/step-overlays.js'
import type { EntryOf } from '../reading/branch-reader.js'
import { type Recipe, stateAfter } from '../reading/recipe.js'
import type { StepWindows } from '../reading/step-windows.js'
import { entryTracker, ReadLog, trackReads } from '../reading/tracked.js'
import type { MakeWindow, StepWindowOptions, WindowOptions } from '../reading/windows.js'
import { DraftChange } from '../writing/draft-change.js'
import { trackedRecipe } from '../writing/tracked-draft.js'
import { type EffectCall, type EffectHost, type EffectOptions, runEffect } from './effects.js'
import type { StepSignal } from './step-signal.js'

/** What a step needs of the handle that it runs on. */
export interface StepHost {
  readonly effects: EffectHost
  readonly makeWindow: MakeWindow
  readonly windows: StepWindows
  readonly scratch: () => ScratchLink
  /** Undefined on a replica that does not follow the tenant's overlays. */
  readonly overlays: StepOverlays | undefined
}

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

  readonly #effects: ChangeId[] = []

  /** @internal Made by `Context.step`. */
  constructor(
    readonly name: string,
    private readonly definition: ContextDefinition<State, Entries>,
    private readonly snapshot: Snapshot<State, EntryOf<Entries>>,
    private readonly host: StepHost,
    private readonly stop: StepSignal,
  ) {
    this.#draft = new DraftChange(definition)
    this.#state = snapshot.state
  }

  /** Aborts when the step should give up; once it is over, only if it has failed. */
  get signal(): AbortSignal {
    return this.stop.signal
  }

  /** @internal The windows that it has made. */
  get windows(): StepWindows {
    return this.host.windows
  }

  /** @internal What it runs under. */
  get overlays(): StepOverlays | undefined {
    return this.host.overlays
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
  entries(options: Omit<EntriesOptions, 'engine'> = {}): readonly EntryOf<Entries>[] {
    this.#check()
    const tracker = entryTracker(this.#entriesRead)
    return this.snapshot.entries(options).map(entry => new Proxy(entry, tracker))
  }

  /**
   * The snapshot flattened for a model. It is recorded so that it can be made again, and all that is in it counts as
   * read. It tells the overlays that the step runs under (OVL-2).
   * @throws as `Context.window`, and WEFT_WINDOW_OPTIONS for overlays on a replica that does not follow them
   */
  window<As extends WindowFormat = 'openai'>(options: StepWindowOptions<As>): Window<As> {
    this.#check()
    const { overlays: asked, ...rest } = checkObject('what window was given', options, 'pass { budget }')
    const told = toldOverlays(this.overlays, asked)
    const window = this.host.makeWindow(rest as WindowOptions<As>, told)
    this.dependsOn(...told.map(({ name, version }) => overlayRef(name, version)))
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

  /** A Yjs document of this step's own, for drafts: gone when the step ends, fails or is aborted (TIR-1). */
  get scratch(): Scratch {
    this.#check()
    if (this.#scratch === undefined) {
      const scratch = new Scratch(this.host.scratch())
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

  /**
   * Changes the state. What the recipe reads is recorded, also what it takes out, copies or sorts. What it only writes is
   * not, nor that what it writes into is there, nor the length that a list's `push` and `unshift` return: who adds to a
   * list is not stale by others who do. Read `length` where it matters.
   * @throws as `Context.change`
   */
  change(recipe: Recipe<State>): this {
    this.#check()
    const next = stateAfter(() => this.#state, [trackedRecipe(recipe, this.#log)])
    const state = validateState(this.definition.state, next as JsonObject) as State
    for (const moved of movedLists(this.#state as JsonObject, state as JsonObject)) this.#log.move(moved)
    this.#state = state
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

  /**
   * The version of an overlay that this step runs under; undefined when none is in force, or the replica does not follow
   * them. That it was read is recorded.
   * @throws WEFT_SCHEMA_REFUSED when it does not fit the definition · WEFT_STEP_ENDED
   */
  overlay<const Key extends OverlayKey>(key: Key): OverlayVersion<OverlayValueOf<Key>> | undefined {
    this.#check()
    const version = this.overlays?.get(overlayNameOf(key))
    if (version === undefined) return undefined
    this.dependsOn(overlayRef(version.name, version.version))
    return typed(key, version)
  }

  /** All overlays as a model is to be shown them now, and which of them it has to be told anew. */
  shownOverlays(): readonly ShownOverlay[] {
    this.#check()
    const shown = this.overlays?.shown(this.snapshot) ?? []
    this.dependsOn(...shown.map(({ name, version }) => overlayRef(name, version)))
    return shown
  }

  /**
   * Runs a side effect once, whichever worker comes to this step how often: it is run under an idempotency key, fenced
   * by what the step has read so far, and its result is recorded and handed out again at every later attempt.
   * @param key names the effect within the workflow; the same at every attempt, and used by this step alone, on this
   *   branch or before it was forked: of a fan-out each branch has keys of its own
   * @param work what it does; its result must be JSON that fits into a change, and undefined counts as null
   * @throws WEFT_EFFECT_REFUSED when something that the step has read has moved: that is recorded, and stays so ·
   *   WEFT_EFFECT_KEY · WEFT_EFFECT_RESULT when it was done and its result cannot be kept: that stays so, too ·
   *   WEFT_LEASE_LOST when another worker took it over meanwhile · WEFT_USAGE when it relies on too much · WEFT_ABORTED,
   *   and whatever `work` throws: then the next attempt runs it again
   */
  async effect<T>(
    key: string,
    work: (call: EffectCall) => Promise<T> | T,
    options: EffectOptions = {},
  ): Promise<T> {
    this.dependsOn(...(options.dependsOn ?? []))
    const { name: step, signal } = this
    const overlays = this.overlays?.note
    const use = { step, key, reads: this.#manifest(), signal, ...(overlays && { overlays }) }
    const { result, entry, change } = await runEffect(this.host.effects, use, work, options)
    this.#check()
    this.#entriesRead.add(entry)
    this.#effects.push(change)
    return result as T
  }

  /** @internal What the step would write; after it nothing more can be added. */
  finish(): {
    entries: DraftChange<State, Entries>['entries']
    reads: ManifestRef[]
    state: JsonObject | undefined
    /** Changes beside its snapshot that it depends on: what came of its effects. */
    effects: readonly ChangeId[]
  } {
    this.#check()
    this.abandon()
    return {
      entries: this.#draft.entries,
      reads: [...this.#manifest(), ...this.#draft.reads],
      state: this.#changed ? (this.#state as JsonObject) : undefined,
      effects: this.#effects,
    }
  }

  /** @internal */
  abandon(): void {
    this.#ended = true
    this.#scratch?.end()
    this.stop.end()
  }

  /** What has been read so far. */
  #manifest(): ManifestRef[] {
    const read = this.#log.pointers().map(pointer => ({ ref: stateRef(pointer) }))
    const entries = this.windows.reads(this.#entriesRead).map(id => ({ ref: entryRef(id) }))
    const dependencies = [...this.#dependencies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref)
    return [...read, ...entries, ...dependencies]
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
