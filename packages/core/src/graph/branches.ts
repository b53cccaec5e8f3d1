import { type BranchName, MAIN_BRANCH } from '../base/ids.js'
import { IntList } from '../base/int-list.js'
import { NodeMarks } from '../base/node-marks.js'
import type { Node } from '../base/node.js'
import type { Dag } from './dag.js'

interface Tip {
  /** By the order in which branches came; `main` is 0. */
  readonly number: number
  readonly heads: Node[]
  /** What was walked to tell which heads fall behind; kept while there are several, begun anew when there is one. */
  walked: NodeMarks | undefined
}

/**
 * Branch names and their heads: the changes that carry the name or fork it, less those in the past of another such.
 * `main` is always there, even without a change.
 */
export class Branches {
  readonly #tips = new Map<BranchName, Tip>([[MAIN_BRANCH, { number: 0, heads: [], walked: undefined }]])
  /** By node: the number of its branch, doubled; and one more where it was the only head when it came. */
  readonly #places = new IntList()

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

  /** The number of a node's branch: the same for all that carry its name. */
  numberOf(node: Node): number {
    return this.#places.at(node) >> 1
  }

  /** Whether a node had all that was on its branch in its past when it came. */
  wasAlone(node: Node): boolean {
    return (this.#places.at(node) & 1) === 1
  }

  add(node: Node, branch: BranchName, forks: readonly BranchName[]): void {
    const tip = this.#tip(branch)
    if (!this.#goesOn(tip, node)) this.#drop([tip], node)
    this.#places.push(tip.number * 2 + (tip.heads.length === 1 ? 1 : 0))
    if (forks.length === 0) return
    const begun = [...new Set(forks)].map(name => this.#tip(name))
    const others = begun.filter(each => !this.#goesOn(each, node))
    if (others.length > 0) this.#drop(others, node)
  }

  #tip(name: BranchName): Tip {
    const known = this.#tips.get(name)
    if (known !== undefined) return known
    const begun = { number: this.#tips.size, heads: [], walked: undefined }
    this.#tips.set(name, begun)
    return begun
  }

  /**
   * Whether a node's deps alone tell of which heads it takes the place; then it has. They do where it depends on the one
   * head, or on nothing but what carries the branch's name: heads are not in the past of that, unless they are it.
   */
  #goesOn(tip: Tip, node: Node): boolean {
    const { dag } = this
    const { heads } = tip
    if (heads.length === 0 || (heads.length === 1 && dag.isDep(heads[0]!, node))) {
      heads[0] = node
      return true
    }
    for (let i = dag.depCount(node) - 1; i >= 0; i--)
      if (this.numberOf(dag.dep(node, i)) !== tip.number) return false
    replace(tip, node, head => dag.isDep(head, node))
    return true
  }

  /** Takes away the heads that are in the past of a node, which is one now. */
  #drop(tips: readonly Tip[], node: Node): void {
    const heads = tips.flatMap(tip => tip.heads)
    // Of one branch, what was walked is remembered; those that a change begins are many, and walked at once.
    const [alone] = tips.length === 1 ? tips : []
    if (alone) alone.walked ??= new NodeMarks()
    const isBehind = this.dag.behind(heads, [node], alone?.walked)
    for (const tip of tips) replace(tip, node, isBehind)
  }
}

function replace(tip: Tip, node: Node, isBehind: (head: Node) => boolean): void {
  const { heads } = tip
  let kept = 0
  for (const head of heads) if (head !== node && !isBehind(head)) heads[kept++] = head
  heads[kept++] = node
  if (kept < heads.length) heads.length = kept
  if (kept === 1) tip.walked = undefined
}

const NONE: readonly Node[] = Object.freeze([])
