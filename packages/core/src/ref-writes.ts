import type { Node } from './dag.js'
import { parsePointer } from './json.js'
import { pointerOf, sameVersion, type VersionedRef } from './ref.js'
import { entry } from './ref-index.js'

/** A write in a view, numbered in the order of arrival. */
export interface Write extends VersionedRef {
  readonly number: number
  readonly node: Node
  /** Where its change stands in the order of arrival. */
  readonly place: number
}

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
  #count = 0

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
    for (const key of parsePointer(pointer)) {
      if (at.below === at.own) at.below = at.own.copy()
      at.below.add(write, isBehind)
      at = entry(at.children, key, newNode)
    }
    at.own.add(write, isBehind)
    if (at.below !== at.own) at.below.add(write, isBehind)
  }

  /** Whether a read of a change is stale as it comes. */
  isNews(read: VersionedRef, node: Node, isBehind: IsBehind): boolean {
    for (const writes of this.#touching(read.ref)) {
      if (writes.isNews(read.version, node, isBehind)) return true
    }
    return false
  }

  /** What touches a read and came after a place; of one change, what it wrote above the read first. */
  eachTouchingAfter(read: VersionedRef, place: number, visit: (write: Write) => void): void {
    for (const writes of this.#touching(read.ref)) writes.eachAfter(place, read, visit)
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
    for (const key of parsePointer(pointer)) {
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
