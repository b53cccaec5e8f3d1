import type { Node } from '../base/node.js'
import { indexIn, keysOf, type Move, moveIn } from '../refs/list-marks.js'
import { entry } from '../refs/ref-index.js'
import { pointerOf, sameVersion, stateRef, touches, type VersionedRef } from '../refs/ref.js'
import type { Cuts } from '../graph/cuts.js'
import type { Dag } from '../graph/dag.js'
import { pastOf } from '../graph/past-walk.js'
import { type ItemWrite, ItemWrites } from './item-writes.js'
import { ListMoves } from './list-moves.js'
import type { MovedList } from './moved-list.js'
import type { Write } from './write.js'

/** Whether a change is in the past of the one that is being taken in. */
export type IsBehind = (node: Node) => boolean

/** A change that wrote a ref, and that no other write to the ref has in its past. */
interface Last {
  readonly node: Node
  /** The version that it named first, and whether it named others beside it. */
  readonly version: string | undefined
  areSeveral: boolean
  /** The last writes in its past that name another version than its only one does: what that version does not touch. */
  readonly others: readonly Node[]
}

const NONE: readonly never[] = []

/** The writes to one ref, or to a pointer and all below it, in the order of arrival. */
class Writes {
  constructor(
    readonly all: Write[] = [],
    private last: Last[] = [],
  ) {}

  copy(): Writes {
    return new Writes([...this.all], [...this.last])
  }

  add(write: Write, isBehind: IsBehind): void {
    this.all.push(write)
    const { node, version } = write
    const newest = this.last.at(-1)
    if (newest?.node === node) {
      if (version !== newest.version) newest.areSeveral = true
      return
    }
    if (newest === undefined) {
      this.last.push({ node, version, areSeveral: false, others: NONE })
      return
    }
    // Of many who write beside each other most pass nobody: there is nothing to sort then.
    const passed = this.last.filter(last => isBehind(last.node))
    if (passed.length > 0) {
      const gone = new Set(passed)
      this.last = this.last.filter(last => !gone.has(last))
    }
    this.last.push({
      node,
      version,
      areSeveral: false,
      others: version === undefined ? NONE : otherThan(version, passed),
    })
  }

  /** Whether something was written that a change which reads this does not know, and did not write itself. */
  isNews(version: string | undefined, node: Node, isBehind: IsBehind): boolean {
    const isNew = (writer: Node): boolean => writer !== node && !isBehind(writer)
    for (const last of this.last) {
      if (isNew(last.node) && (!isOnly(version, last) || last.others.some(isNew))) return true
    }
    return false
  }

  /** What came after a place, and does not name the very version. */
  eachAfter(place: number, read: VersionedRef, visit: (write: Write) => void): void {
    let at = this.all.length
    while (at > 0 && this.all[at - 1]!.place > place) at--
    for (; at < this.all.length; at++) if (!sameVersion(this.all[at]!, read)) visit(this.all[at]!)
  }
}

/** Of what a write has in its past, the last that names another version: who knows these knows all that others wrote. */
function otherThan(version: string, passed: readonly Last[]): readonly Node[] {
  // A history that names one version again and again hands on one list.
  if (passed.length === 1 && isOnly(version, passed[0]!)) return passed[0]!.others
  return passed.flatMap(last => (isOnly(version, last) ? last.others : last.node))
}

function isOnly(version: string | undefined, last: Last): boolean {
  return version !== undefined && last.version === version && !last.areSeveral
}

/** A write to an item of a list, by an index that may be of another one for others. */
export interface StrayWrite {
  readonly list: string
  readonly at: number
  /** From which index on at least it may be another one for anybody. */
  readonly lowest: number
  /** From which index on it may be another one for a change that has not seen the write. */
  readonly fromFor: (reader: Node) => number
}

interface PointerNode {
  own: Writes
  /** Those at the pointer and below it; the same list while nothing is below. */
  below: Writes
  readonly children: Map<string, PointerNode>
}

/** The writes of a view by what they touch (STL-2). */
export class RefWrites {
  readonly #exact = new Map<string, Writes>()
  readonly #pointers = newNode()
  readonly #moves: ListMoves
  readonly #toItems = new Map<MovedList, ItemWrites>()
  #count = 0

  constructor(
    private readonly dag: Dag,
    private readonly cuts: Pick<Cuts, 'at'>,
  ) {
    this.#moves = new ListMoves(dag, node => cuts.at(node))
  }

  /** Takes in a write of the change that has come last. */
  add({ ref, version }: VersionedRef, node: Node, place: number, isBehind: IsBehind): void {
    const write: Write = {
      ref,
      ...(version !== undefined && { version }),
      number: this.#count++,
      node,
      place,
    }
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      entry(this.#exact, ref, () => new Writes()).add(write, isBehind)
      return
    }
    let at = this.#pointers
    for (const key of keysOf(pointer)) {
      if (at.below === at.own) at.below = at.own.copy()
      at.below.add(write, isBehind)
      at = entry(at.children, key, newNode)
    }
    at.own.add(write, isBehind)
    if (at.below !== at.own) at.below.add(write, isBehind)
    const move = moveIn(pointer)
    const begun = move && this.#addMove(write, move)
    for (const { moved, index } of this.#moves.levels(pointer)) {
      if (moved !== begun)
        this.#in(moved).add({ write, at: index, isMove: move !== undefined && move.list === moved.list })
    }
  }

  /** Takes in where the end of a list was to which the change that has come last added, or from which it took something. */
  addEnd(mark: string, node: Node, place: number): void {
    const move = moveIn(mark)!
    const write: Write = { ref: stateRef(mark), number: this.#count++, node, place }
    this.#addMove(write, move)
    for (const { moved, index } of this.#moves.levels(mark)) {
      if (moved.list === move.list) this.#in(moved).add({ write, at: index, isMove: true })
    }
  }

  /** Whether a read of a change is stale as it comes. */
  isNews(read: VersionedRef, node: Node, isBehind: IsBehind): boolean {
    for (const writes of this.#touching(read.ref)) {
      if (writes.isNews(read.version, node, isBehind)) return true
    }
    return !this.#astray(read.ref, node, this.cuts.at(node), isBehind).next().done
  }

  /** What touches a read of a change and came after a place; of one change, what it wrote above the read first. */
  eachTouchingAfter(read: VersionedRef, node: Node, place: number, visit: (write: Write) => void): void {
    for (const writes of this.#touching(read.ref)) writes.eachAfter(place, read, visit)
    const met = new Set<number>()
    const isBehind = pastOf(this.dag, node, () => false)
    for (const [{ write, at, isMove }, index] of this.#astray(read.ref, node, place, isBehind)) {
      const isTouching = !isMove && at === index && touches(write, read)
      if (isTouching || met.has(write.number)) continue
      met.add(write.number)
      visit(write)
    }
  }

  /**
   * A write of the change that has come last, once for each list in which it goes by an index that others may not share.
   * @param isRead what its author had seen of a list is told where it is asked for
   */
  *strayingFrom(ref: string, writer: Node, isRead: (list: string) => boolean): Generator<StrayWrite> {
    for (const { moved, index: at } of this.#moves.levels(pointerOf(ref) ?? '')) {
      if (!isRead(moved.list)) continue
      const sight = moved.sightOf(writer)
      const lowest = moved.lowestFor(sight)
      if (lowest > at) continue
      const fromFor = (reader: Node): number => moved.astrayFrom(moved.sightWith(reader), sight)
      yield { list: moved.list, at, lowest, fromFor }
    }
  }

  /** What touches a read of a change by what has moved, and that it does not know, as far as it came after a place. */
  *#astray(
    ref: string,
    node: Node,
    place: number,
    isBehind: IsBehind,
  ): Generator<readonly [ItemWrite, index: number]> {
    const pointer = pointerOf(ref)
    if (pointer === undefined) return
    const knows = (other: Node): boolean => other === node || isBehind(other)
    for (const { moved, index } of this.#moves.levels(pointer)) {
      const reader = { index, sight: moved.sightWith(node), cut: this.cuts.at(node), knows }
      for (const item of this.#in(moved).touching(reader, place)) yield [item, index]
    }
  }

  /** @returns the list, when this is its first move: it has then all that was written to its items */
  #addMove(write: Write, move: Move): MovedList | undefined {
    const begun = this.#moves.add(write, move)
    if (begun === undefined) return undefined
    for (const earlier of this.#nodeAt(move.list)?.below.all ?? NONE) {
      const pointer = pointerOf(earlier.ref)!
      const at = indexIn(move.list, pointer)
      if (at !== undefined)
        this.#in(begun).add({ write: earlier, at, isMove: moveIn(pointer)?.list === move.list })
    }
    return begun
  }

  #in(moved: MovedList): ItemWrites {
    return entry(this.#toItems, moved, () => new ItemWrites(moved, this.dag))
  }

  #nodeAt(pointer: string): PointerNode | undefined {
    let node: PointerNode | undefined = this.#pointers
    for (const key of keysOf(pointer)) node = node?.children.get(key)
    return node
  }

  /** Lists in which each write that touches a ref is once. */
  *#touching(ref: string): Generator<Writes> {
    const pointer = pointerOf(ref)
    if (pointer === undefined) {
      const writes = this.#exact.get(ref)
      if (writes) yield writes
      return
    }
    let node: PointerNode | undefined = this.#pointers
    for (const key of keysOf(pointer)) {
      yield node.own
      node = node.children.get(key)
      if (node === undefined) return
    }
    yield node.below
  }
}

function newNode(): PointerNode {
  const own = new Writes()
  return { own, below: own, children: new Map() }
}
