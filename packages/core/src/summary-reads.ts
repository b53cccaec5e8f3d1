import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { View } from './view.js'

/**
 * What the summaries of a view were derived from: all of their ranges, which no manifest lists. So a summary is stale
 * when something in its range is, or when something came late to it (CMP-1).
 */
export class SummaryReads {
  /** Those that were taken in. */
  readonly #summaries: Node[] = []

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {}

  /**
   * Takes in a change that the view has grown by.
   * @param stale the changes that are stale, in whole or in part
   * @returns summaries that are stale with it
   */
  add(node: Node, stale: Iterable<Node>): readonly Node[] {
    const { summaries } = this.set
    const isSummary = summaries.has(node)
    if (!isSummary && this.#summaries.length === 0) return NONE
    const late = this.#summaries.filter(summary => this.#isLate(summary, node))
    if (!isSummary) return late
    this.#summaries.push(node)
    const { nodes } = summaries.rangeOf(node)
    for (const each of stale) if (nodes.has(each)) return [...late, node]
    return this.lateTo(node).length > 0 ? [...late, node] : late
  }

  get any(): boolean {
    return this.#summaries.length > 0
  }

  /** The summaries that stand for a change. */
  standingFor(node: Node): readonly Node[] {
    if (this.#summaries.length === 0) return NONE
    return this.#summaries.filter(summary => this.set.summaries.rangeOf(summary).nodes.has(node))
  }

  /** The changes of the view that came late to the range of a summary. */
  lateTo(summary: Node): Node[] {
    const past = new Set<Node>()
    this.set.dag.walk([summary], node => !past.has(node) && !!past.add(node))
    return [...this.view.arrived].filter(node => !past.has(node) && this.#isLate(summary, node))
  }

  #isLate(summary: Node, node: Node): boolean {
    return this.set.change(node).header.kinds.length > 0 && this.set.summaries.isLate(summary, node)
  }
}

const NONE: readonly never[] = []
