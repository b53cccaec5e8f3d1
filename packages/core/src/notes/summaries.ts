import type { BranchName } from '../base/ids.js'
import { NodeBits } from '../base/node-bits.js'
import { NO_NODE, type Node } from '../base/node.js'
import { SUMMARY_KIND } from '../refs/engine-kinds.js'
import { type HeaderNotes, unpackIds } from '../change/header.js'
import type { Dag } from '../graph/dag.js'
import { unseen } from '../graph/frontier.js'
import type { OrderTree } from '../graph/order.js'
import type { Reverts } from './reverts.js'

/** The changes a summary stands for: what `to` and its past hold, without `from` and its past. */
export interface Range {
  readonly nodes: NodeBits
  readonly to: readonly Node[]
  readonly branches: ReadonlySet<BranchName>
  /** The one that comes first in the order of branches; of none, the summary. */
  readonly first: Node
  /** Those that were reverted when the summary was written: it tells nothing of them. */
  readonly reverted: ReadonlySet<Node>
}

interface Frontiers {
  readonly from: readonly Node[]
  readonly to: readonly Node[]
}

/** Which changes of a context are summaries, and of what (CMP-1). A summary stands for nothing its author had not seen. */
export class Summaries {
  readonly #frontiers = new Map<Node, Frontiers>()
  readonly #ranges = new Map<Node, Range>()

  constructor(
    private readonly dag: Dag,
    private readonly tree: OrderTree,
    private readonly reverts: Reverts,
  ) {}

  get size(): number {
    return this.#frontiers.size
  }

  /** Takes in a change whose notes name a range. */
  add(node: Node, { from, to }: NonNullable<HeaderNotes['summary']>, kinds: readonly string[]): void {
    if (kinds.length !== 1 || kinds[0] !== SUMMARY_KIND) return
    const known = (packed: Uint8Array): Node[] =>
      unpackIds(packed)
        .map(id => this.dag.find(id))
        .filter(each => each !== NO_NODE)
    const [begin, end] = [known(from), known(to)]
    const isSeen = this.dag.behind([...begin, ...end], [node])
    this.#frontiers.set(node, { from: begin.filter(isSeen), to: end.filter(isSeen) })
  }

  has(node: Node): boolean {
    return this.#frontiers.has(node)
  }

  /** The changes that are summaries, in order of arrival. */
  nodes(): Iterable<Node> {
    return this.#frontiers.keys()
  }

  /** What a summary stands for; found once, when it is first asked for. */
  rangeOf(summary: Node): Range {
    const known = this.#ranges.get(summary)
    if (known) return known
    const range = this.#find(summary, this.#frontiers.get(summary) ?? NOTHING)
    this.#ranges.set(summary, range)
    return range
  }

  #find(summary: Node, { from, to }: Frontiers): Range {
    const nodes = rangeBetween(this.dag, from, to)
    const bits = new NodeBits(nodes)
    const branches = new Set(nodes.map(node => this.tree.branchOf(node)))
    const first = nodes.reduce((a, b) => (this.tree.compare(a, b) < 0 ? a : b), nodes[0] ?? summary)
    return { nodes: bits, to, branches, first, reverted: this.#revertedIn(bits, summary) }
  }

  #revertedIn(nodes: NodeBits, summary: Node): ReadonlySet<Node> {
    const reverts = [...this.reverts.nodes()].filter(node => node < summary)
    const isSeen = this.dag.behind(reverts, [summary])
    const then = this.reverts.standing({ has: node => node === summary || (node < summary && isSeen(node)) })
    return new Set([...then.keys()].filter(node => nodes.has(node)))
  }
}

const NOTHING: Frontiers = { from: [], to: [] }

/** The changes in `to` and its past that are not in `from` and its past. */
export function rangeBetween(dag: Dag, from: readonly Node[], to: readonly Node[]): Node[] {
  return unseen(dag, to, from)
}
