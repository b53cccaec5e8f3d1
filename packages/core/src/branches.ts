import type { Dag, Node } from './dag.js'
import { type BranchName, MAIN_BRANCH } from './ids.js'
import { NodeMarks } from './node-marks.js'

interface Tip {
  readonly heads: Node[]
  /** What was walked to tell which heads fall behind; kept while there are several, begun anew when there is one. */
  walked: NodeMarks | undefined
}

/**
 * Branch names and their heads: the changes that carry the name or fork it, less those in the past of another such.
 * `main` is always there, even without a change.
 */
export class Branches {
  readonly #tips = new Map<BranchName, Tip>([[MAIN_BRANCH, { heads: [], walked: undefined }]])

  constructor(private readonly dag: Dag) {}

  has(name: BranchName): boolean {
    return this.#tips.has(name)
  }

  names(): BranchName[] {
    return [...this.#tips.keys()]
  }

  /** Good until the next `add`. */
  heads(name: BranchName): readonly Node[] {
    return this.#tips.get(name)?.heads ?? NONE
  }

  add(node: Node, branch: BranchName, forks: readonly BranchName[]): void {
    this.#extend(branch, node)
    for (const fork of forks) this.#extend(fork, node)
  }

  #extend(name: BranchName, node: Node): void {
    const tip = this.#tips.get(name)
    if (tip === undefined) {
      this.#tips.set(name, { heads: [node], walked: undefined })
      return
    }
    const { heads } = tip
    if (heads.length === 1 && this.dag.isDep(heads[0]!, node)) {
      heads[0] = node
      return
    }
    tip.walked ??= new NodeMarks()
    const isBehind = this.dag.behind(heads, [node], tip.walked)
    let kept = 0
    for (const head of heads) if (head !== node && !isBehind(head)) heads[kept++] = head
    heads[kept++] = node
    if (kept < heads.length) heads.length = kept
    if (kept === 1) tip.walked = undefined
  }
}

const NONE: readonly Node[] = Object.freeze([])
