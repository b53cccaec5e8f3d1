import { NodeBits } from '../base/node-bits.js'
import type { Node } from '../base/node.js'
import { RangeIndex } from '../base/range-index.js'
import type { WindowIndex } from './window-index.js'

/** A summary that does not stand for its range, and why. */
export interface FallenSummary {
  readonly why: 'stale' | 'summarised'
  readonly detail: string
}

/** Which summaries of a view stand in for their ranges, and what they stand for together (CMP-1). */
export class ShownSummaries {
  /** Those that are shown. */
  readonly standing: readonly Node[]
  readonly fallen: ReadonlyMap<Node, FallenSummary>
  /** With those that another one stands for: what they stand for stays away too. */
  readonly #sound: readonly Node[]
  readonly #ranges = new RangeIndex()

  /** @param dropped whether a summary is stale, and to be dropped for that */
  constructor(
    private readonly index: WindowIndex,
    dropped: (summary: Node) => boolean,
  ) {
    const { set, view, hidden } = index
    const fallen = new Map<Node, FallenSummary>()
    const sound: Node[] = []
    for (const summary of set.summaries.nodes()) {
      if (!view.has(summary) || hidden.has(summary)) continue
      // Its text is gone, so it stands for nothing: what it stood for is shown again.
      if (set.change(summary).lacksEntries) continue
      if (this.#tellsOtherwise(summary)) {
        fallen.set(summary, {
          why: 'stale',
          detail: 'of its range something was reverted, or given back, since',
        })
      } else if (dropped(summary)) {
        fallen.set(summary, { why: 'stale', detail: 'something that its range was derived from has changed' })
      } else sound.push(summary)
    }
    this.#sound = this.#largest(sound, fallen)
    this.standing = this.#sound.filter(summary => this.standsFor(summary) === undefined)
    this.fallen = fallen
  }

  /** The number of changes that they stand for. */
  get rangeSize(): number {
    return NodeBits.count(this.#sound.map(summary => this.index.set.summaries.rangeOf(summary).nodes))
  }

  /** The summary that stands for a change, or undefined. */
  standsFor(node: Node): Node | undefined {
    const { value } = this.#ranges.standingFor(node).next()
    return value as Node | undefined
  }

  /** Whether of its range other changes are reverted now than when the summary was written. */
  #tellsOtherwise(summary: Node): boolean {
    const { nodes, reverted } = this.index.set.summaries.rangeOf(summary)
    let known = 0
    for (const node of this.index.hidden.keys()) {
      if (!nodes.has(node)) continue
      if (!reverted.has(node)) return true
      known++
    }
    return known < reverted.size
  }

  /** Of summaries that say the same (two workers compacted at once) the one of the larger range, else the first. */
  #largest(sound: readonly Node[], fallen: Map<Node, FallenSummary>): Node[] {
    const { set } = this.index
    const rangeOf = (summary: Node): NodeBits => set.summaries.rangeOf(summary).nodes
    const byRange = [...sound].sort((a, b) => rangeOf(b).size - rangeOf(a).size || set.tree.compare(a, b))
    const kept: Node[] = []
    for (const summary of byRange) {
      const range = rangeOf(summary)
      const larger = this.#firstWith(range, kept)
      if (larger === undefined) {
        kept.push(summary)
        this.#ranges.add(summary, range)
      } else fallen.set(summary, { why: 'summarised', detail: `${set.dag.id(larger)}.0` })
    }
    return kept
  }

  /** The first summary of those kept whose range has all of a range. */
  #firstWith(range: NodeBits, kept: readonly Node[]): Node | undefined {
    if (range.size === 0) return kept[0]
    for (const other of this.#ranges.standingFor(range.least))
      if (range.isWithin(this.index.set.summaries.rangeOf(other).nodes)) return other
    return undefined
  }
}
