import { encodeUtf8 } from '../base/bytes.js'
import { type EntryKey, entryKey, nodeOfKey } from '../base/entry-key.js'
import { hexHash } from '../base/hash.js'
import type { EntryId } from '../base/ids.js'
import type { JsonObject } from '../base/json.js'
import type { Hash } from '../base/ports.js'
import type { WindowFormat } from '../messages/window-formats.js'
import type { Message } from '../messages/window-message.js'
import type { WindowRecipe } from '../messages/window-recipe.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import { Staleness } from '../staleness/staleness.js'
import type { Renderers } from '../definitions/window-render.js'
import { itemsOf, WindowBuild, type WindowTier } from './window-build.js'
import { WindowIndex } from './window-index.js'
import type { TokenCounter } from './window-options.js'
import { messagesOfOverlays, type ToldOverlay } from './window-overlays.js'
import { type Reason, WindowPlan } from './window-plan.js'
import { TileSizes } from './window-sizes.js'

/** What of a window does not depend on its form. */
export interface WindowReport {
  readonly recipe: WindowRecipe
  /** By the name of its counter. */
  readonly counter: string
  readonly tokens: number
  /** In the order in which the window tells them. */
  readonly included: readonly IncludedEntry[]
  /** In order. Found when it is first read. */
  readonly leftOut: readonly LeftOutEntry[]
  /** The exact JSON of what is handed to the model, and its SHA-256. */
  readonly text: string
  readonly digest: string
}

export interface IncludedEntry {
  readonly entry: EntryId
  readonly kind: string
  readonly tier: WindowTier
  readonly stale: boolean
}

export interface LeftOutEntry extends Reason {
  readonly entry: EntryId
}

/** A context flattened for a model. */
export type Window<As extends WindowFormat = WindowFormat> = WindowReport &
  (As extends 'parts'
    ? { readonly parts: readonly Message[] }
    : As extends 'anthropic'
      ? { readonly system: readonly JsonObject[]; readonly messages: readonly JsonObject[] }
      : { readonly messages: readonly JsonObject[] })

/** Makes windows of one view: functions of its set, its renderers, a recipe and a counter (WIN-4). */
export class Windows {
  #index: WindowIndex
  #forgotten = 0
  /** Tokens of what overlays say: it is in every window, and seldom another. */
  readonly #overlaySizes = new TileSizes()

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
    private readonly staleness: Staleness,
    private readonly renderers: Renderers,
    private readonly hash: Hash,
  ) {
    this.#index = new WindowIndex(set, view, renderers)
  }

  /**
   * @param overlays the versions that the recipe names, or more
   * @throws WEFT_WINDOW_BUDGET · WEFT_WINDOW_OPTIONS · WEFT_RENDER_FAILED · WEFT_CHANGE_UNKNOWN · WEFT_OVERLAY_UNKNOWN
   */
  make<As extends WindowFormat>(
    recipe: WindowRecipe & { readonly as: As },
    counter: TokenCounter,
    overlays: readonly ToldOverlay[] = [],
  ): Window<As> {
    if (this.#forgotten !== this.set.forgotten) this.#beginAnew()
    this.#index.catchUp()
    this.staleness.takeIn()
    const { size } = this.view
    const plan = new WindowPlan(this.#index, this.staleness, recipe)
    const told = messagesOfOverlays(recipe.overlays ?? {}, overlays)
    const build = new WindowBuild(plan, counter, told, this.#overlaySizes.of(counter))
    const { content, text, tokens, included } = build.build()
    const keys = new Set(included.map(({ key }) => key))
    const leftOut = lazily(() => leftOutOf(this.#planAt(size, recipe), keys))
    const report: WindowReport = {
      recipe,
      counter: counter.name,
      tokens,
      included: included.map(({ key, tier }) => {
        const { id, kind } = this.#index.entry(key)
        return { entry: id, kind, tier, stale: plan.isStale(key) }
      }),
      text,
      digest: hexHash(this.hash, encodeUtf8(text)),
      get leftOut() {
        return leftOut()
      },
    }
    return Object.assign(report, content) as WindowReport as Window<As>
  }

  /** What was made of entries that have been erased since is let go of. */
  #beginAnew(): void {
    this.#forgotten = this.set.forgotten
    this.#index = new WindowIndex(this.set, this.view, this.renderers)
  }

  /** A plan as of when the view had so many changes. */
  #planAt(size: number, recipe: WindowRecipe): WindowPlan {
    if (this.view.size === size) return new WindowPlan(this.#index, this.staleness, recipe)
    const { set } = this.#index
    const view = set.viewAt([...this.view.arrived].slice(0, size))
    const index = new WindowIndex(set, view, this.renderers)
    const staleness = new Staleness(set, view)
    index.catchUp()
    staleness.takeIn()
    return new WindowPlan(index, staleness, recipe)
  }
}

function leftOutOf(plan: WindowPlan, included: ReadonlySet<EntryKey>): LeftOutEntry[] {
  const { index, recipe } = plan
  const leftOut: LeftOutEntry[] = []
  for (const node of index.view.flatten(recipe.order)) {
    if (index.set.effects.has(node)) continue
    index.set.entriesOf(node).forEach(({ id }, at) => {
      const key = entryKey(node, at)
      if (!included.has(key)) leftOut.push({ entry: id, ...reasonOf(plan, key) })
    })
  }
  return leftOut
}

function reasonOf(plan: WindowPlan, key: EntryKey): Reason {
  const { index } = plan
  const [revert] = index.hidden.get(nodeOfKey(key)) ?? []
  if (revert !== undefined) return { why: 'reverted', detail: index.set.dag.id(revert) }
  const unit = index.unitOf(key)
  const against = plan.reasonAgainst(unit)
  if (against !== undefined) return against
  return itemsOf(plan, unit).length === 0
    ? { why: 'empty', detail: 'it says nothing that this form can carry' }
    : { why: 'budget', detail: 'there was no room for it' }
}

function lazily<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined
  return () => {
    found ??= { value: find() }
    return found.value
  }
}
