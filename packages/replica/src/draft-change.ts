import {
  type ContextDefinition,
  type EntrySchemas,
  type InputOf,
  type Json,
  type KindOf,
  type ManifestRef,
  parseRef,
  validateEntry,
} from '@weft/core'
import type { Draft } from 'immer'

/** Mutates a draft of the state, or returns the new state. */
// biome-ignore lint/suspicious/noConfusingVoidType: a recipe that returns nothing is the usual one
export type Recipe<State> = (draft: Draft<State>) => State | void

/** Collects what one atomic change will hold. Entries are checked as they are added. */
export class DraftChange<State, Entries extends EntrySchemas> {
  readonly entries: { readonly kind: string; readonly value: Json }[] = []
  readonly reads: ManifestRef[] = []
  #recipe: Recipe<State> | undefined

  constructor(private readonly definition: ContextDefinition<State, Entries>) {}

  /** @throws as `Context.append` */
  append<Kind extends KindOf<Entries>>(
    kind: Kind,
    value: InputOf<Entries, Kind>,
    options: { readonly dependsOn?: readonly string[] } = {},
  ): this {
    const json = validateEntry(this.definition as ContextDefinition, kind, value)
    const reads = (options.dependsOn ?? []).map(text => ({ ...parseRef(text), entry: this.entries.length }))
    this.reads.push(...reads)
    this.entries.push({ kind, value: json })
    return this
  }

  /** Records what the change as a whole was derived from: `state:/pointer`, `ext:doc/17@v3`. @throws WEFT_REF_INVALID */
  dependsOn(...refs: readonly string[]): this {
    this.reads.push(...refs.map(parseRef))
    return this
  }

  /** Several recipes run one after the other, on one draft. */
  change(recipe: Recipe<State>): this {
    const before = this.#recipe
    this.#recipe =
      before &&
      (draft => {
        before(draft)
        return recipe(draft)
      })
    this.#recipe ??= recipe
    return this
  }

  get recipe(): Recipe<State> | undefined {
    return this.#recipe
  }
}
