import { compareText } from '../base/bytes.js'
import { type BranchName, MAIN_BRANCH } from '../base/ids.js'
import { IntTable } from '../base/int-table.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Header } from '../change/header.js'
import type { Dag } from './dag.js'

/** What is kept of a node. */
const PARENT = 0
/** The first change of the run that it stands in. */
const RUN_START = 1
const JUMP = 2
const DEPTH = 3
/** The number of its branch. */
const BRANCH = 4
const BORN_LAMPORT = 5
const BORN_INDEX = 6
const COLUMNS = 7

/**
 * The order of a context (ORD-1, ORD-2), as a comparator that adding changes never alters.
 *
 * The order is the pre-order walk of a tree. A change that continues the branch of its last dep (that one which comes
 * last) hangs below it; a run is a chain of such. A change that leaves the branch, by a fork or a merge, hangs below
 * the first change of the run, and so comes behind all of it, beside all others that leave it anywhere: else branches
 * that were forked one by one would come in reverse. Siblings come: first those that continue their parent's branch,
 * then by when their branch was forked, its name, lamport, actor, id. Parent and sibling key of a change depend on its
 * ancestors alone, so any set of changes has one order, and a new change (which nothing depends on yet) only finds its
 * place in it (ORD-3).
 *
 * Ancestors at a depth are found in O(log n) by jump pointers: E. W. Myers, "An applicative random-access stack",
 * Information Processing Letters 17 (1983).
 */
export class OrderTree {
  readonly #nodes = new IntTable(COLUMNS)
  readonly #branchNames: BranchName[] = []
  readonly #branchNumbers = new Map<BranchName, number>()
  readonly #forks = new Map<Node, readonly BranchName[]>()
  readonly #forksOf = new Map<BranchName, Node[]>()

  constructor(private readonly dag: Dag) {}

  parent(node: Node): Node {
    return this.#nodes.at(node, PARENT)
  }

  branchOf(node: Node): BranchName {
    return this.#branchNames[this.#nodes.at(node, BRANCH)]!
  }

  /** Changes that fork a branch of this name. */
  forksOf(name: BranchName): readonly Node[] {
    return this.#forksOf.get(name) ?? []
  }

  /** Adds the node that the dag has just added. */
  add(node: Node, header: Header): void {
    let last = NO_NODE
    for (let i = this.dag.depCount(node) - 1; i >= 0; i--) {
      const dep = this.dag.dep(node, i)
      if (last === NO_NODE || this.compare(last, dep) < 0) last = dep
    }
    const branch = this.#branchNumber(header.branch)
    const start = last === NO_NODE ? NO_NODE : this.#nodes.at(last, RUN_START)
    const continues = last !== NO_NODE && this.#nodes.at(last, BRANCH) === branch
    const parent = continues ? last : start
    this.#nodes.add()
    this.#nodes.set(node, RUN_START, continues ? start : node)
    this.#nodes.set(node, PARENT, parent)
    this.#nodes.set(node, BRANCH, branch)
    this.#setJump(node, parent)
    this.#setBirth(node, header.branch, branch)
    const { forks } = header.notes
    if (forks === undefined) return
    this.#forks.set(node, forks)
    for (const name of forks) {
      const nodes = this.#forksOf.get(name)
      if (nodes) nodes.push(node)
      else this.#forksOf.set(name, [node])
    }
  }

  /** Negative when `a` comes before `b`. A total order over the nodes added so far, and over any more. */
  compare(a: Node, b: Node): number {
    if (a === b) return 0
    const depthA = this.#nodes.at(a, DEPTH)
    const depthB = this.#nodes.at(b, DEPTH)
    let x = depthA > depthB ? this.#ancestorAt(a, depthB) : a
    let y = depthB > depthA ? this.#ancestorAt(b, depthA) : b
    if (x === y) return depthA - depthB
    while (this.#nodes.at(x, PARENT) !== this.#nodes.at(y, PARENT)) {
      const jumpX = this.#nodes.at(x, JUMP)
      const jumpY = this.#nodes.at(y, JUMP)
      const apart = jumpX !== jumpY
      x = apart ? jumpX : this.#nodes.at(x, PARENT)
      y = apart ? jumpY : this.#nodes.at(y, PARENT)
    }
    return this.compareSiblings(x, y)
  }

  compareSiblings(a: Node, b: Node): number {
    const branchA = this.#nodes.at(a, BRANCH)
    const branchB = this.#nodes.at(b, BRANCH)
    if (branchA !== branchB) {
      const parent = this.#nodes.at(a, PARENT)
      const runs = parent === NO_NODE ? -1 : this.#nodes.at(parent, BRANCH)
      if (branchA === runs) return -1
      if (branchB === runs) return 1
      return this.#compareBranches(a, b)
    }
    return this.#compareBirths(a, b) || this.#compareAuthors(a, b)
  }

  /** The alternative of ORD-2: by lamport, branches interleaved. */
  compareInterleaved(a: Node, b: Node): number {
    if (a === b) return 0
    return (
      this.dag.lamport(a) - this.dag.lamport(b) || this.#compareBranches(a, b) || this.#compareAuthors(a, b)
    )
  }

  #compareBranches(a: Node, b: Node): number {
    return this.#compareBirths(a, b) || compareText(this.branchOf(a), this.branchOf(b))
  }

  #compareBirths(a: Node, b: Node): number {
    return (
      this.#nodes.at(a, BORN_LAMPORT) - this.#nodes.at(b, BORN_LAMPORT) ||
      this.#nodes.at(a, BORN_INDEX) - this.#nodes.at(b, BORN_INDEX)
    )
  }

  #compareAuthors(a: Node, b: Node): number {
    const byLamport = this.dag.lamport(a) - this.dag.lamport(b)
    return byLamport || this.dag.compareActors(a, b) || this.dag.compareIds(a, b)
  }

  #setJump(node: Node, parent: Node): void {
    if (parent === NO_NODE) {
      this.#nodes.set(node, JUMP, NO_NODE)
      return
    }
    this.#nodes.set(node, DEPTH, this.#nodes.at(parent, DEPTH) + 1)
    const jump = this.#nodes.at(parent, JUMP)
    const farther = jump === NO_NODE ? NO_NODE : this.#nodes.at(jump, JUMP)
    const parentLeap = this.#nodes.at(parent, DEPTH) - this.#depthOr(jump)
    const jumpLeap = this.#depthOr(jump) - this.#depthOr(farther)
    this.#nodes.set(node, JUMP, jump !== NO_NODE && parentLeap === jumpLeap ? farther : parent)
  }

  #depthOr(node: Node): number {
    return node === NO_NODE ? -1 : this.#nodes.at(node, DEPTH)
  }

  #ancestorAt(node: Node, depth: number): Node {
    let at = node
    while (this.#nodes.at(at, DEPTH) > depth) {
      const jump = this.#nodes.at(at, JUMP)
      at = jump !== NO_NODE && this.#nodes.at(jump, DEPTH) >= depth ? jump : this.#nodes.at(at, PARENT)
    }
    return at
  }

  /** When the node's branch was forked, as far as its own past tells; at 0 for `main`. */
  #setBirth(node: Node, branch: BranchName, number: number): void {
    if (branch === MAIN_BRANCH) return
    let first = NO_NODE
    for (let i = this.dag.depCount(node) - 1; i >= 0; i--) {
      const dep = this.dag.dep(node, i)
      if (this.#nodes.at(dep, BRANCH) !== number) continue
      if (first === NO_NODE || this.#compareBirths(dep, first) < 0) first = dep
    }
    if (first === NO_NODE) this.#setBirthByFork(node, branch)
    else this.#writeBirth(node, this.#nodes.at(first, BORN_LAMPORT), this.#nodes.at(first, BORN_INDEX))
  }

  #setBirthByFork(node: Node, branch: BranchName): void {
    let lamport = this.dag.lamport(node)
    let index = 0
    const forks = this.forksOf(branch)
    const isBehind = this.dag.behind(forks, [node])
    for (const fork of forks) {
      const at = this.dag.lamport(fork)
      const place = 1 + this.#forks.get(fork)!.indexOf(branch)
      if (at > lamport || (at === lamport && place >= index) || !isBehind(fork)) continue
      lamport = at
      index = place
    }
    this.#writeBirth(node, lamport, index)
  }

  #writeBirth(node: Node, lamport: number, index: number): void {
    this.#nodes.set(node, BORN_LAMPORT, lamport)
    this.#nodes.set(node, BORN_INDEX, index)
  }

  #branchNumber(name: BranchName): number {
    const known = this.#branchNumbers.get(name)
    if (known !== undefined) return known
    this.#branchNumbers.set(name, this.#branchNames.length)
    this.#branchNames.push(name)
    return this.#branchNames.length - 1
  }
}
