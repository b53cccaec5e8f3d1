import { type EntryKey, nodeOfKey } from '../base/entry-key.js'
import { WeftError } from '../base/errors.js'
import { keepNewest, type Sized } from '../messages/window-cut.js'
import { type Assembled, FORMATS, type Format } from '../messages/window-formats.js'
import type { Message } from '../messages/window-message.js'
import { messagesOfBroken, messagesOfUnit } from '../messages/window-unit.js'
import type { Unit } from './window-index.js'
import type { TokenCounter } from './window-options.js'
import type { Placed, WindowPlan } from './window-plan.js'

/** At most this share of what pinned entries leave goes to summaries, so that they never crowd out what is new. */
const SUMMARIES_SHARE_MAX = 1 / 2

/** From what changes least to what changes most (WIN-5). */
export type WindowTier = 'pinned' | 'summary' | 'history'

interface Chosen {
  readonly taken: readonly Taken[]
  /** So many of them stand before what overlays say. */
  readonly leading: number
}

interface Taken extends Placed {
  readonly tier: WindowTier
  readonly tokens: number
}

export interface Built extends Assembled {
  readonly tokens: number
  readonly included: readonly { readonly key: EntryKey; readonly tier: WindowTier }[]
}

/**
 * Chooses what a window holds and puts it together (WIN-5): what is pinned, with overlays behind what the system says
 * there first, then summaries and history in their order.
 */
export class WindowBuild {
  readonly #format: Format
  readonly #overlayItems: ReturnType<Format['write']>
  /** Of what is in every window: its frame, and what overlays say. */
  readonly #baseTokens: number

  constructor(
    private readonly plan: WindowPlan,
    private readonly counter: TokenCounter,
    private readonly overlays: readonly Message[],
    overlaySizes: Map<string, number>,
  ) {
    this.#format = FORMATS[plan.recipe.as]
    this.#overlayItems = overlays.flatMap(this.#format.write)
    const tiles = this.#overlayItems.flatMap(this.#format.tiles)
    for (const tile of tiles) if (!overlaySizes.has(tile)) overlaySizes.set(tile, this.#count(tile))
    const overlayTokens = tiles.reduce((sum, tile) => sum + overlaySizes.get(tile)!, 0)
    this.#baseTokens = this.#sum(this.#format.base) + overlayTokens
  }

  /** @throws WEFT_WINDOW_BUDGET · WEFT_WINDOW_OPTIONS when the counter counts amiss · WEFT_RENDER_FAILED */
  build(): Built {
    const { budget } = this.plan.recipe
    const pinned = this.plan.pinned().map(placed => this.#take(placed, 'pinned'))
    const spare = budget - this.#baseTokens - total(pinned)
    for (let room = spare; room >= 0; ) {
      const built = this.#assemble(this.#choose(pinned, room))
      const excess = this.#excessOf(built)
      if (excess <= 0) return built
      // Its pieces are fewer tokens than the whole: give them less room, until the whole fits.
      room -= Math.max(1, Math.ceil(excess))
    }
    const alone = this.#assemble({ taken: pinned, leading: this.#leadingOf(pinned) })
    if (spare >= 0 && this.#excessOf(alone) <= 0) return alone
    throw this.#tooSmall(pinned, alone)
  }

  #excessOf({ text }: Built): number {
    return this.counter.adds ? 0 : this.#count(text) - this.plan.recipe.budget
  }

  /** @param room beside what is pinned */
  #choose(pinned: readonly Taken[], room: number): Chosen {
    const summaries = this.#chooseSummaries(room * SUMMARIES_SHARE_MAX)
    const history = keepNewest(this.#history(), room - total(summaries))
    const taken = [...pinned, ...this.plan.inOrder([...summaries, ...history.reverse()])]
    return { taken, leading: this.#leadingOf(pinned) }
  }

  /** How many of the first are the system's alone: what comes behind another's words is not heard as the system's. */
  #leadingOf(pinned: readonly Taken[]): number {
    const { index } = this.plan
    const isSystem = ({ unit }: Taken): boolean =>
      unit.keys.every(key => index.rendered(key).messages.every(({ role }) => role === 'system'))
    const first = pinned.findIndex(taken => !isSystem(taken))
    return first < 0 ? pinned.length : first
  }

  /** The newest that fit. */
  #chooseSummaries(room: number): Taken[] {
    const taken: Taken[] = []
    let left = room
    for (const placed of this.plan.summaries().reverse()) {
      const summary = this.#take(placed, 'summary')
      if (this.plan.reasonAgainst(placed.unit) !== undefined || summary.tokens > left) continue
      taken.push(summary)
      left -= summary.tokens
    }
    return taken
  }

  *#history(): Generator<Taken & Sized> {
    const { dag } = this.plan.index.set
    for (const placed of this.plan.newestFirst()) {
      const taken = this.#take(placed, 'history')
      if (taken.tokens > 0) yield { ...taken, lamport: dag.lamport(nodeOfKey(placed.place)) }
    }
  }

  #take(placed: Placed, tier: WindowTier): Taken {
    return { ...placed, tier, tokens: this.#tokensOf(placed.unit) }
  }

  #assemble({ taken, leading }: Chosen): Built {
    const items = taken.map(({ unit }) => itemsOf(this.plan, unit))
    items.splice(leading, 0, this.#overlayItems)
    const assembled = this.#format.assemble(items.flat())
    return {
      ...assembled,
      tokens: this.#baseTokens + total(taken) - this.#sum(assembled.saved),
      included: taken.flatMap(({ unit, tier }) => unit.keys.map(key => ({ key, tier }))),
    }
  }

  /** Counted once for each form and set of flags. */
  #tokensOf(unit: Unit): number {
    const flags = unit.keys.map(key => (this.plan.isFlagged(key) ? '!' : '.')).join('')
    const sizes = unit.sizes.get(this.counter) ?? new Map<string, number>()
    unit.sizes.set(this.counter, sizes)
    const name = this.plan.recipe.as + flags
    let tokens = sizes.get(name)
    if (tokens === undefined) {
      tokens = this.#sum(itemsOf(this.plan, unit).flatMap(item => this.#format.tiles(item)))
      sizes.set(name, tokens)
    }
    return tokens
  }

  #sum(texts: readonly string[]): number {
    return texts.reduce((sum, text) => sum + this.#count(text), 0)
  }

  #count(text: string): number {
    const tokens = this.counter.count(text)
    if (Number.isFinite(tokens) && tokens >= 0) return tokens
    throw new WeftError(
      'WEFT_WINDOW_OPTIONS',
      `the counter ${this.counter.name} says that a text is ${String(tokens)} tokens`,
      'let count(text) return how many tokens the text is: a number from 0, at once and not as a promise',
      { counter: this.counter.name },
    )
  }

  #tooSmall(pinned: readonly Taken[], { text }: Built): WeftError {
    const { budget } = this.plan.recipe
    const pieces = this.#baseTokens + total(pinned)
    const tokens = this.counter.adds ? pieces : Math.max(pieces, this.#count(text))
    return new WeftError(
      'WEFT_WINDOW_BUDGET',
      `the budget is ${budget} tokens, and what is always in the window, ${pinned.length} pinned unit(s) and ` +
        `${this.overlays.length} overlay(s), takes ${tokens}`,
      'raise the budget, pin less, or tell fewer overlays',
      {
        budget,
        pinned: tokens,
        overlays: Object.keys(this.plan.recipe.overlays ?? {}),
        entries: pinned.flatMap(({ unit }) => unit.keys.map(key => this.plan.index.entry(key).id)),
      },
    )
  }
}

/** What a unit adds to a window, in the window's form. */
export function itemsOf(plan: WindowPlan, unit: Unit): ReturnType<Format['write']> {
  const { index, recipe } = plan
  const { unfit, write } = FORMATS[recipe.as]
  const isWhole = unit.lacks === undefined
  const parts = unit.keys.map(key => ({
    messages: isWhole ? index.told(key, unfit) : index.rendered(key).messages,
    flagged: plan.isFlagged(key),
  }))
  const { lacks } = unit
  const messages = isWhole ? messagesOfUnit(parts) : messagesOfBroken(parts, lacks?.mayBeErased === true)
  return messages.flatMap(write)
}

function total(taken: readonly { readonly tokens: number }[]): number {
  return taken.reduce((sum, { tokens }) => sum + tokens, 0)
}
