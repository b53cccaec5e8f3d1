import { IntList } from '../base/int-list.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Branches } from './branches.js'
import type { Dag } from './dag.js'

/**
 * Whether changes are in the past of others, asked of many at once. A **cut** is a change that had all of its branch in
 * its past when it came: what came on that branch before a cut is behind whoever has the cut behind itself. So a question
 * about old changes of `main`, or of the asker's own branch, costs nothing in a history that ran together since, whatever
 * other branches are never merged; nor does one about the same author's. Any other costs one walk for all.
 */
export class Pasts {
  /** By node, as far as it was looked at: the last cut of its branch, and of `main`, that it is or has in its past. */
  readonly #ownCuts = new IntList()
  readonly #mainCuts = new IntList()

  constructor(
    private readonly dag: Dag,
    private readonly branches: Branches,
  ) {}

  /** Whether each of `wanted` is one of `heads` or in the past of one. */
  include(wanted: Iterable<Node>, heads: readonly Node[]): boolean {
    return this.outside(wanted, heads).length === 0
  }

  /** Those of `wanted` that are neither one of `heads` nor in the past of one. */
  outside(wanted: Iterable<Node>, heads: readonly Node[]): Node[] {
    this.#catchUp()
    const mainCut = heads.reduce((last, head) => Math.max(last, this.#mainCuts.at(head)), NO_NODE)
    const ownCuts = new Map<number, Node>()
    for (const head of heads) {
      const branch = this.branches.numberOf(head)
      ownCuts.set(branch, Math.max(ownCuts.get(branch) ?? NO_NODE, this.#ownCuts.at(head)))
    }
    const asked: Node[] = []
    for (const node of wanted) {
      const branch = this.branches.numberOf(node)
      if (node <= (branch === MAIN ? mainCut : NO_NODE) || node <= (ownCuts.get(branch) ?? NO_NODE)) continue
      if (heads.length === 1 && this.dag.isOwnPast(node, heads[0]!)) continue
      asked.push(node)
    }
    if (asked.length === 0) return asked
    const isHead = new Set(heads)
    const isBehind = this.dag.behind(asked, heads)
    return asked.filter(node => !isHead.has(node) && !isBehind(node))
  }

  #catchUp(): void {
    const { dag, branches } = this
    for (let node = this.#ownCuts.length; node < dag.size; node++) {
      const branch = branches.numberOf(node)
      let own = branches.wasAlone(node) ? node : NO_NODE
      let main = branch === MAIN ? own : NO_NODE
      for (let i = dag.depCount(node) - 1; i >= 0; i--) {
        const dep = dag.dep(node, i)
        main = Math.max(main, this.#mainCuts.at(dep))
        if (branches.numberOf(dep) === branch) own = Math.max(own, this.#ownCuts.at(dep))
      }
      this.#ownCuts.push(own)
      this.#mainCuts.push(main)
    }
  }
}

/** `main` is there before all others. */
const MAIN = 0
