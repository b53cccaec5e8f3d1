import { type Dag, NO_NODE, type Node } from './dag.js'
import { IntList } from './int-list.js'

/**
 * Whether changes are in the past of others, asked of many at once. A **cut** is a change that had all others in its past
 * when it came: what came before a cut is behind whoever has the cut behind itself. So a question about old changes costs
 * nothing in a history that ran together since, nor does one about the same author's; any other costs one walk at most.
 */
export class Pasts {
  /** By node, as far as it was looked at: the last cut that it is or has in its past. */
  readonly #cuts = new IntList()
  readonly #isHead: boolean[] = []
  #heads = 0

  constructor(private readonly dag: Dag) {}

  /** Whether each of `wanted` is one of `heads` or in the past of one. */
  include(wanted: Iterable<Node>, heads: readonly Node[]): boolean {
    this.#catchUp()
    const cut = heads.reduce((last, head) => Math.max(last, this.#cuts.at(head)), NO_NODE)
    const missing = new Set<Node>()
    let least = Number.POSITIVE_INFINITY
    for (const node of wanted) {
      if (node <= cut || (heads.length === 1 && this.dag.isOwnPast(node, heads[0]!))) continue
      missing.add(node)
      least = Math.min(least, node)
    }
    if (missing.size === 0) return true
    const seen = new Set<Node>()
    this.dag.walk(heads, node => {
      // Ancestors have lower numbers.
      if (missing.size === 0 || node < least || seen.has(node)) return false
      seen.add(node)
      missing.delete(node)
      return true
    })
    return missing.size === 0
  }

  #catchUp(): void {
    const { dag } = this
    for (let node = this.#cuts.length; node < dag.size; node++) {
      let cut = NO_NODE
      for (let i = dag.depCount(node) - 1; i >= 0; i--) {
        const dep = dag.dep(node, i)
        cut = Math.max(cut, this.#cuts.at(dep))
        if (this.#isHead[dep]) this.#heads--
        this.#isHead[dep] = false
      }
      this.#isHead[node] = true
      this.#heads++
      this.#cuts.push(this.#heads === 1 ? node : cut)
    }
  }
}
