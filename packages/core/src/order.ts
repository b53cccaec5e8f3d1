import { compareText } from './bytes.js'
import { type Dag, NO_NODE, type Node } from './dag.js'
import type { Header } from './header.js'
import { type BranchName, MAIN_BRANCH } from './ids.js'
import { IntList } from './int-list.js'

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
  readonly #parent = new IntList()
  /** The first change of the run that a change stands in. */
  readonly #runStart = new IntList()
  readonly #jump = new IntList()
  readonly #depth = new IntList()
  readonly #branch = new IntList()
  readonly #bornLamport = new IntList()
  readonly #bornIndex = new IntList()
  readonly #branchNames: BranchName[] = []
  readonly #branchNumbers = new Map<BranchName, number>()
  readonly #forks = new Map<Node, readonly BranchName[]>()
  readonly #forksOf = new Map<BranchName, Node[]>()

  constructor(private readonly dag: Dag) {}

  parent(node: Node): Node {
    return this.#parent.at(node)
  }

  branchOf(node: Node): BranchName {
    return this.#branchNames[this.#branch.at(node)]!
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
    const start = last === NO_NODE ? NO_NODE : this.#runStart.at(last)
    const continues = last !== NO_NODE && this.#branch.at(last) === branch
    const parent = continues ? last : start
    this.#runStart.push(continues ? start : node)
    this.#parent.push(parent)
    this.#addJump(parent)
    this.#branch.push(branch)
    this.#addBirth(node, header.branch, branch)
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
    const depthA = this.#depth.at(a)
    const depthB = this.#depth.at(b)
    let x = depthA > depthB ? this.#ancestorAt(a, depthB) : a
    let y = depthB > depthA ? this.#ancestorAt(b, depthA) : b
    if (x === y) return depthA - depthB
    while (this.#parent.at(x) !== this.#parent.at(y)) {
      const jumpX = this.#jump.at(x)
      const jumpY = this.#jump.at(y)
      const apart = jumpX !== jumpY
      x = apart ? jumpX : this.#parent.at(x)
      y = apart ? jumpY : this.#parent.at(y)
    }
    return this.compareSiblings(x, y)
  }

  compareSiblings(a: Node, b: Node): number {
    const branchA = this.#branch.at(a)
    const branchB = this.#branch.at(b)
    if (branchA !== branchB) {
      const parent = this.#parent.at(a)
      const runs = parent === NO_NODE ? -1 : this.#branch.at(parent)
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
    return this.#bornLamport.at(a) - this.#bornLamport.at(b) || this.#bornIndex.at(a) - this.#bornIndex.at(b)
  }

  #compareAuthors(a: Node, b: Node): number {
    const byLamport = this.dag.lamport(a) - this.dag.lamport(b)
    return byLamport || this.dag.compareActors(a, b) || this.dag.compareIds(a, b)
  }

  #addJump(parent: Node): void {
    if (parent === NO_NODE) {
      this.#depth.push(0)
      this.#jump.push(NO_NODE)
      return
    }
    this.#depth.push(this.#depth.at(parent) + 1)
    const jump = this.#jump.at(parent)
    const farther = jump === NO_NODE ? NO_NODE : this.#jump.at(jump)
    const parentLeap = this.#depth.at(parent) - this.#depthOr(jump)
    const jumpLeap = this.#depthOr(jump) - this.#depthOr(farther)
    this.#jump.push(jump !== NO_NODE && parentLeap === jumpLeap ? farther : parent)
  }

  #depthOr(node: Node): number {
    return node === NO_NODE ? -1 : this.#depth.at(node)
  }

  #ancestorAt(node: Node, depth: number): Node {
    let at = node
    while (this.#depth.at(at) > depth) {
      const jump = this.#jump.at(at)
      at = jump !== NO_NODE && this.#depth.at(jump) >= depth ? jump : this.#parent.at(at)
    }
    return at
  }

  /** When the node's branch was forked, as far as its own past tells. */
  #addBirth(node: Node, branch: BranchName, number: number): void {
    if (branch === MAIN_BRANCH) {
      this.#pushBirth(0, 0)
      return
    }
    let first = NO_NODE
    for (let i = this.dag.depCount(node) - 1; i >= 0; i--) {
      const dep = this.dag.dep(node, i)
      if (this.#branch.at(dep) !== number) continue
      if (first === NO_NODE || this.#compareBirths(dep, first) < 0) first = dep
    }
    if (first === NO_NODE) this.#addBirthByFork(node, branch)
    else this.#pushBirth(this.#bornLamport.at(first), this.#bornIndex.at(first))
  }

  #addBirthByFork(node: Node, branch: BranchName): void {
    let lamport = this.dag.lamport(node)
    let index = 0
    for (const fork of this.forksOf(branch)) {
      const at = this.dag.lamport(fork)
      const place = 1 + this.#forks.get(fork)!.indexOf(branch)
      if (at > lamport || (at === lamport && place >= index) || !this.dag.isAncestor(fork, node)) continue
      lamport = at
      index = place
    }
    this.#pushBirth(lamport, index)
  }

  #pushBirth(lamport: number, index: number): void {
    this.#bornLamport.push(lamport)
    this.#bornIndex.push(index)
  }

  #branchNumber(name: BranchName): number {
    const known = this.#branchNumbers.get(name)
    if (known !== undefined) return known
    this.#branchNumbers.set(name, this.#branchNames.length)
    this.#branchNames.push(name)
    return this.#branchNames.length - 1
  }
}
