import type { Dag, Node } from './dag.js'
import { type BranchName, MAIN_BRANCH } from './ids.js'

/**
 * Branch names and their heads: the changes that carry the name or fork it, less those in the past of another such.
 * `main` is always there, even without a change.
 */
export class Branches {
  readonly #heads = new Map<BranchName, Set<Node>>([[MAIN_BRANCH, new Set()]])

  constructor(private readonly dag: Dag) {}

  has(name: BranchName): boolean {
    return this.#heads.has(name)
  }

  names(): BranchName[] {
    return [...this.#heads.keys()]
  }

  heads(name: BranchName): ReadonlySet<Node> {
    return this.#heads.get(name) ?? new Set()
  }

  add(node: Node, branch: BranchName, forks: readonly BranchName[]): void {
    this.#extend(branch, node)
    for (const fork of forks) this.#extend(fork, node)
  }

  #extend(name: BranchName, node: Node): void {
    const heads = this.#heads.get(name)
    if (heads === undefined) {
      this.#heads.set(name, new Set([node]))
      return
    }
    for (const head of heads) if (this.dag.isAncestor(head, node)) heads.delete(head)
    heads.add(node)
  }
}

/** The nodes of `heads` that are not in the past of another one. */
export function maximal(dag: Dag, heads: Iterable<Node>): Node[] {
  const all = heads instanceof Set ? [...(heads as Set<Node>)] : [...new Set(heads)]
  if (all.length === 1) return all
  return all.filter(node => !all.some(other => other !== node && dag.isAncestor(node, other)))
}
