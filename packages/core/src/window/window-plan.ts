import { type EntryKey, entryKey, indexOfKey, nodeOfKey } from '../base/entry-key.js'
import { WeftError } from '../base/errors.js'
import type { Node } from '../base/node.js'
import { policyOf, type StalePolicy, type WindowRecipe } from '../messages/window-recipe.js'
import type { Staleness } from '../staleness/staleness.js'
import type { Unit, WindowIndex } from './window-index.js'
import { ShownSummaries } from './window-summaries.js'

/** Why an entry is not in a window. */
export type LeftOutWhy = 'budget' | 'stale' | 'summarised' | 'reverted' | 'erased' | 'incomplete' | 'empty'

export interface Reason {
  readonly why: LeftOutWhy
  /** For people; of `summarised` the entry that stands for it, of `reverted` and `erased` the change that did it, the first by id. */
  readonly detail: string
}

/** A unit at its place: that of the last of its entries, so that a result that comes late changes nothing before it. */
export interface Placed {
  readonly unit: Unit
  readonly place: EntryKey
}

/** What a recipe makes of the units of a view, before any is counted. */
export class WindowPlan {
  readonly #pinned = new Set<Unit>()
  readonly #summaries: ShownSummaries

  constructor(
    readonly index: WindowIndex,
    private readonly staleness: Staleness,
    readonly recipe: WindowRecipe,
  ) {
    const { pin } = recipe
    for (const kind of pin.kinds) for (const key of index.ofKind(kind)) this.#pin(key)
    for (const entry of pin.entries) this.#pin(this.#keyOf(entry))
    this.#summaries = new ShownSummaries(
      index,
      summary => this.staleness.isStaleAt(summary, 0) && this.#policy(entryKey(summary, 0)) === 'drop',
    )
  }

  /** In order. */
  pinned(): Placed[] {
    return this.inOrder([...this.#pinned].map(unit => ({ unit, place: this.#lastOf(unit) })))
  }

  /** The summaries that stand for a range, each where its range begins, in order. */
  summaries(): Placed[] {
    const { set } = this.index
    const placed = this.#summaries.standing.map(summary => ({
      unit: this.index.unitOf(entryKey(summary, 0)),
      place: entryKey(set.summaries.rangeOf(summary).first, 0),
    }))
    return this.inOrder(placed.filter(({ unit }) => !this.#pinned.has(unit)))
  }

  /** All other units that could be in the window, from the end on. */
  *newestFirst(): Generator<Placed> {
    const { index, recipe } = this
    const seen = new Set<Unit>()
    // A unit stands where its last entry does: when all are passed that no summary stands for, so are their units.
    let outside = index.view.size - this.#summaries.rangeSize
    for (const node of index.view.backwards(recipe.order)) {
      if (outside === 0) return
      const within = this.#summaries.standsFor(node) !== undefined
      if (!within) outside--
      if (index.hidden.has(node) || index.set.summaries.has(node) || index.set.effects.has(node)) continue
      for (let at = index.set.entriesOf(node).length - 1; at >= 0; at--) {
        const place = entryKey(node, at)
        if (within && !index.isTool(place)) continue
        const unit = index.unitOf(place)
        if (seen.has(unit)) continue
        seen.add(unit)
        if (!this.#pinned.has(unit) && !this.reasonAgainst(unit)) yield { unit, place }
      }
    }
  }

  /** Why a unit that is not pinned cannot be in the window, however large that is. */
  reasonAgainst(unit: Unit): Reason | undefined {
    const standIns = unit.keys.map(key => this.#summaries.standsFor(nodeOfKey(key)))
    const [standIn] = standIns
    if (standIn !== undefined && !standIns.includes(undefined))
      return { why: 'summarised', detail: this.index.entry(entryKey(standIn, 0)).id }
    const gone = unit.keys.map(key => this.index.entry(key).erased).find(erased => erased !== undefined)
    if (gone) return { why: 'erased', detail: gone.by ?? '' }
    if (unit.lacks !== undefined) return { why: 'incomplete', detail: unit.lacks.text }
    const dropped = unit.keys.find(key => this.isStale(key) && this.#policy(key) === 'drop')
    if (dropped === undefined) return this.#summaries.fallen.get(nodeOfKey(unit.keys[0]!))
    const { id } = this.index.entry(dropped)
    return { why: 'stale', detail: `${id} was derived from something that was written since` }
  }

  isStale(key: EntryKey): boolean {
    return this.staleness.isStaleAt(nodeOfKey(key), indexOfKey(key))
  }

  isPinned(unit: Unit): boolean {
    return this.#pinned.has(unit)
  }

  /** Whether the window says of an entry that it is stale: so it does of one that is pinned, and would be dropped. */
  isFlagged(key: EntryKey): boolean {
    return this.isStale(key) && this.#policy(key) !== 'keep'
  }

  inOrder<T extends { readonly place: EntryKey }>(placed: readonly T[]): T[] {
    return [...placed].sort((a, b) => this.#compare(a.place, b.place))
  }

  #policy(key: EntryKey): StalePolicy {
    const { kind } = this.index.entry(key)
    return policyOf(this.recipe, kind) ?? (this.index.rendered(key).spoken ? 'keep' : 'flag')
  }

  #pin(key: EntryKey): void {
    const isGone = this.index.hidden.has(nodeOfKey(key)) || this.index.entry(key).erased !== undefined
    if (!isGone) this.#pinned.add(this.index.unitOf(key))
  }

  /** @throws WEFT_CHANGE_UNKNOWN */
  #keyOf(entry: string): EntryKey {
    const [change = '', index] = entry.split('.')
    const node: Node = this.index.set.dag.find(change)
    const at = Number(index)
    if (this.index.view.has(node) && this.index.set.entriesOf(node)[at] !== undefined)
      return entryKey(node, at)
    throw new WeftError(
      'WEFT_CHANGE_UNKNOWN',
      `the pinned entry ${entry} is not visible here`,
      'pin entries that the branch shows, or merge the branch that shows it first',
      { entry },
    )
  }

  #lastOf(unit: Unit): EntryKey {
    return unit.keys.reduce((last, key) => (this.#compare(last, key) < 0 ? key : last))
  }

  #compare(a: EntryKey, b: EntryKey): number {
    const { tree } = this.index.set
    const [x, y] = [nodeOfKey(a), nodeOfKey(b)]
    return (this.recipe.order === 'branches' ? tree.compare(x, y) : tree.compareInterleaved(x, y)) || a - b
  }
}
