import { Branches } from './branches.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { WeftError } from './errors.js'
import type { BranchName, ChangeId, Position } from './ids.js'

/** What a replica was told of the committed log: which change has which position, and how far it knows all of them. */
export class CommitIndex {
  readonly #idAt: (ChangeId | undefined)[] = [undefined]
  readonly #positionOf = new Map<ChangeId, Position>()
  #contiguous: Position = 0
  /** By position, what was forgotten and has not been told again. */
  readonly #forgotten: (ChangeId | undefined)[] = []
  readonly #rewritten: Position[] = []

  /** The highest position up to which every change is known. */
  get position(): Position {
    return this.#contiguous
  }

  /** The highest position of which anything is known, with gaps below it or not. */
  get highest(): Position {
    return this.#idAt.length - 1
  }

  /** How often the log has turned out to be another one than was told before: to ask `rewrittenSince` by. */
  get rewrites(): number {
    return this.#rewritten.length
  }

  /** The first position of which anything else was told than before, since there were so many rewrites; or infinity. */
  rewrittenSince(rewrites: number): Position {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#rewritten.slice(rewrites))
  }

  record(position: Position, id: ChangeId): void {
    const before = this.#idAt[position] ?? this.#forgotten[position]
    if (before !== undefined && before !== id) this.#rewriteFrom(position)
    this.#idAt[position] = id
    this.#positionOf.set(id, position)
    while (this.#idAt[this.#contiguous + 1] !== undefined) this.#contiguous++
    if (this.#forgotten.length <= this.#contiguous + 1) this.#forgotten.length = 0
  }

  positionOf(id: ChangeId): Position | undefined {
    return this.#positionOf.get(id)
  }

  idAt(position: Position): ChangeId | undefined {
    return this.#idAt[position]
  }

  /** Forgets what was said of the log after `position`. */
  truncate(position: Position): void {
    for (let at = position + 1; at < this.#idAt.length; at++) {
      const id = this.#idAt[at]
      if (id === undefined) continue
      this.#positionOf.delete(id)
      this.#forgotten[at] = id
    }
    this.#idAt.length = Math.min(this.#idAt.length, position + 1)
    this.#contiguous = Math.min(this.#contiguous, position)
  }

  /**
   * The heads of a branch in the first `position` changes of the log.
   * @throws WEFT_POSITION_UNKNOWN when the replica has not been told of them all
   */
  headsAt(set: ChangeSet, branch: BranchName, position: Position): Node[] {
    if (!Number.isSafeInteger(position) || position < 0 || position > this.#contiguous) {
      throw new WeftError(
        'WEFT_POSITION_UNKNOWN',
        `position ${position} is not known here; this replica knows the log up to ${this.#contiguous}`,
        'pass a position from 0 up to that, or flush and wait until the replica has caught up',
        { position, known: this.#contiguous },
      )
    }
    return position * 2 > this.#contiguous
      ? this.committedHeads(set, branch, position)
      : this.#headsFromStart(set, branch, position)
  }

  /** The heads of a branch among the changes that are known to be in the log, up to a position or wherever they stand. */
  committedHeads(set: ChangeSet, branch: BranchName, upTo: Position = Number.POSITIVE_INFINITY): Node[] {
    const { dag } = set
    const isOn = (node: Node): boolean => {
      const { header } = set.change(node)
      return header.branch === branch || header.notes.forks?.includes(branch) === true
    }
    const open = [...set.branches.heads(branch)]
    const seen = new Set(open)
    const found: Node[] = []
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const stands = this.#positionOf.get(dag.id(node))
      if (stands !== undefined && stands <= upTo && isOn(node)) {
        found.push(node)
        continue
      }
      for (let at = dag.depCount(node) - 1; at >= 0; at--) {
        const dep = dag.dep(node, at)
        if (seen.has(dep)) continue
        seen.add(dep)
        open.push(dep)
      }
    }
    return set.maximal(found)
  }

  #headsFromStart(set: ChangeSet, branch: BranchName, position: Position): Node[] {
    const branches = new Branches(set.dag)
    for (let at = 1; at <= position; at++) {
      const node = set.dag.node(this.#idAt[at]!)
      const { header } = set.change(node)
      branches.add(node, header.branch, header.notes.forks ?? [])
    }
    return [...branches.heads(branch)]
  }

  /** What comes after it is another one, too, whatever was told of that. */
  #rewriteFrom(position: Position): void {
    this.#rewritten.push(position)
    this.#forgotten.length = Math.min(this.#forgotten.length, position)
  }
}
