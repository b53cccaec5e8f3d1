import type { Node } from '../base/node.js'
import { RangeIndex } from '../base/range-index.js'
import { pastsOf, type ViewPasts } from '../graph/view-pasts.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'

/**
 * What the summaries of a view were derived from: all of their ranges, which no manifest lists. So a summary is stale
 * when something in its range is, or when something came late to it (CMP-1): written beside it on one of its branches, by
 * somebody who had not seen the whole range. That is no part of the range, and the summary does not know of it.
 */
export class SummaryReads {
  /** Those that were taken in, in the order of the view. */
  readonly #summaries: Node[] = []
  readonly #ranges = new RangeIndex()
  readonly #pasts: ViewPasts

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {
    this.#pasts = pastsOf(set.dag, view)
  }

  /**
   * Takes in a change that the view has grown by.
   * @param stale the changes that are stale, in whole or in part
   * @returns summaries that are stale with it
   */
  add(node: Node, stale: Iterable<Node>): readonly Node[] {
    const { summaries } = this.set
    const isSummary = summaries.has(node)
    if (!isSummary && this.#summaries.length === 0) return NONE
    const late = this.#lateBy(node)
    if (!isSummary) return late
    this.#summaries.push(node)
    const { nodes } = summaries.rangeOf(node)
    this.#ranges.add(node, nodes)
    for (const each of stale) if (nodes.has(each)) return [...late, node]
    // What the view has grown by since will be taken in itself.
    return this.#lateBefore(this.#pasts.placeOf(node), node).length > 0 ? [...late, node] : late
  }

  get any(): boolean {
    return this.#summaries.length > 0
  }

  /** The summaries that stand for a change. */
  standingFor(node: Node): Iterable<Node> {
    return this.#ranges.standingFor(node)
  }

  /** The changes of the view that came late to the range of a summary. */
  lateTo(summary: Node): Node[] {
    return this.#lateBefore(this.view.size, summary)
  }

  #lateBefore(end: number, summary: Node): Node[] {
    const beside: Node[] = []
    for (let place = this.#pasts.cutOf(summary) + 1; place < end; place++) {
      const node = this.view.arrived.at(place)
      if (node !== summary && this.#concerns(summary, node)) beside.push(node)
    }
    const isSeen = this.#pasts.seenBy(summary, beside)
    return beside.filter(node => !isSeen(node) && this.#isUnaware(node, summary))
  }

  /** The summaries taken in to which a change comes late. What is taken in after them is in the past of none. */
  #lateBy(node: Node): Node[] {
    const cut = this.#pasts.cutOf(node)
    const late: Node[] = []
    for (let at = this.#summaries.length - 1; at >= 0; at--) {
      const summary = this.#summaries[at]!
      if (this.#pasts.placeOf(summary) <= cut) break
      if (this.#concerns(summary, node)) late.push(summary)
    }
    if (late.length === 0) return late
    const isSeen = this.#pasts.seenBy(node, late)
    return late.filter(summary => !isSeen(summary) && this.#isUnaware(node, summary)).reverse()
  }

  #concerns(summary: Node, node: Node): boolean {
    const { kinds } = this.set.change(node).header
    const { branches } = this.set.summaries.rangeOf(summary)
    return kinds.length > 0 && branches.has(this.set.tree.branchOf(node))
  }

  /** Whether the author of a change that is not in the past of a summary had seen neither it nor all that it stands for. */
  #isUnaware(node: Node, summary: Node): boolean {
    const { to } = this.set.summaries.rangeOf(summary)
    const isSeen = this.#pasts.seenBy(node, [summary, ...to])
    return !isSeen(summary) && !to.every(isSeen)
  }
}

const NONE: readonly never[] = []
