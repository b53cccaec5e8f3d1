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
import { checkFunction, checkIsDone } from '../base/arguments.js'
import type { Recipe } from '../reading/recipe.js'

/** Collects what one atomic change will hold. Entries are checked as they are added. */
export class DraftChange<State, Entries extends EntrySchemas> {
  readonly entries: { readonly kind: string; readonly value: Json }[] = []
  readonly reads: ManifestRef[] = []
  readonly recipes: Recipe<State>[] = []

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

  /** Several recipes run one after the other, each on what the one before it made. */
  change(recipe: Recipe<State>): this {
    this.recipes.push(recipe)
    return this
  }
}

/** What somebody composes. @throws WEFT_USAGE when that goes on after it has returned, and what it throws */
export function composed<State, Entries extends EntrySchemas>(
  definition: ContextDefinition<State, Entries>,
  compose: (draft: DraftChange<State, Entries>) => void,
): DraftChange<State, Entries> {
  checkFunction('what composes the change', compose)
  const draft = new DraftChange<State, Entries>(definition)
  checkIsDone('what composes the change', compose(draft))
  return draft
}
