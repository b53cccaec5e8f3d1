import type { BranchName } from '../base/ids.js'
import type { Node } from '../base/node.js'
import type { Branches } from '../graph/branches.js'
import type { Dag } from '../graph/dag.js'

/**
 * Which branches were abandoned: ended without being merged, by changes on a branch of the engine's own that depend on
 * their heads. No view that work is done on shows what is behind such a change, and what it ends stays where it was; but
 * of all those branches the context has one head. A branch that is written to later goes on.
 */
export class Abandonments {
  readonly #byBranch = new Map<BranchName, Node[]>()

  constructor(
    private readonly dag: Dag,
    private readonly branches: Branches,
  ) {}

  add(node: Node, names: readonly BranchName[]): void {
    for (const name of names) {
      const nodes = this.#byBranch.get(name)
      if (nodes) nodes.push(node)
      else this.#byBranch.set(name, [node])
    }
  }

  /** Whether nothing is on the branch but what was abandoned. */
  has(name: BranchName): boolean {
    const nodes = this.#byBranch.get(name)
    if (nodes === undefined) return false
    const heads = this.branches.heads(name)
    return heads.length > 0 && heads.every(this.dag.behind(heads, nodes))
  }
}
