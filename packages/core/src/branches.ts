import type { Dag, Node } from './dag.js'
import { type BranchName, MAIN_BRANCH } from './ids.js'

/**
 * Branch names and their heads: the changes that carry the name or fork it, less those in the past of another such.
 * `main` is always there, even without a change.
 */
export class Branches {
  readonly #heads = new Map<BranchName, Node[]>([[MAIN_BRANCH, []]])

  constructor(private readonly dag: Dag) {}

  has(name: BranchName): boolean {
    return this.#heads.has(name)
  }

  names(): BranchName[] {
    return [...this.#heads.keys()]
  }

  /** Good until the next `add`. */
  heads(name: BranchName): readonly Node[] {
    return this.#heads.get(name) ?? []
  }

  add(node: Node, branch: BranchName, forks: readonly BranchName[]): void {
    this.#extend(branch, node)
    for (const fork of forks) this.#extend(fork, node)
  }

  #extend(name: BranchName, node: Node): void {
    const heads = this.#heads.get(name)
    if (heads === undefined) {
      this.#heads.set(name, [node])
      return
    }
    let kept = 0
    for (const head of heads) if (!this.dag.isAncestor(head, node)) heads[kept++] = head
    heads[kept++] = node
    if (kept < heads.length) heads.length = kept
  }
}

/** The nodes of `heads` that are not in the past of another one. */
export function maximal(dag: Dag, heads: Iterable<Node>): Node[] {
  const nodes = [...heads]
  if (nodes.length === 1) return nodes
  const all = [...new Set(nodes)]
  return all.filter(node => !all.some(other => other !== node && dag.isAncestor(node, other)))
}
