import { changeOfEntry, type EntryId, entryId, indexOfEntry } from '../base/ids.js'
import { IntList } from '../base/int-list.js'
import type { NodeMarks } from '../base/node-marks.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'

/** An entry, or a whole change that holds none, as a number: from 0, without gaps, in the order of arrival. */
export type Unit = number

/** What a manifest speaks for: a unit, or as `~unit` all entries of the change of which that is the first. */
export type Reader = number

const ABSENT = -1
/** Where more than this share is asked for, going through all of a view costs less than sorting. */
export const SORTED_SHARE = 1 / 16

/** The entries of a view, numbered. */
export class Units {
  readonly #firstOf = new IntList()
  readonly #nodes = new IntList()
  /** By unit, which entry of its change it is, or `ABSENT`. */
  readonly #indexes = new IntList()
  /** By unit, once somebody has asked: a hundred thousand of them cost more to make than to find. */
  readonly #entryIds: (EntryId | undefined)[] = []

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {}

  get size(): number {
    return this.#nodes.length
  }

  /** Numbers the entries of the view's next change, if they have no numbers yet; returns the first. */
  add(node: Node): Unit {
    const known = this.#firstOf.length > node ? this.firstOf(node) : ABSENT
    if (known !== ABSENT) return known
    const first = this.#nodes.length
    while (this.#firstOf.length <= node) this.#firstOf.push(ABSENT)
    this.#firstOf.set(node, first)
    const count = this.set.change(node).header.kinds.length
    for (let i = 0; i < Math.max(1, count); i++) {
      this.#nodes.push(node)
      this.#indexes.push(count === 0 ? ABSENT : i)
      this.#entryIds.push(undefined)
    }
    return first
  }

  /** The first entry of a change that the view shows. */
  firstOf(node: Node): Unit {
    return this.#firstOf.at(node)
  }

  nodeOf(unit: Unit): Node {
    return this.#nodes.at(unit)
  }

  /** Whether a change has several entries. */
  areMany(node: Node): boolean {
    return this.set.change(node).header.kinds.length > 1
  }

  /** @param wholes changes all of whose entries were visited: they are not visited as a whole again */
  eachOf(reader: Reader, wholes: NodeMarks, visit: (unit: Unit) => void): void {
    if (reader >= 0) {
      visit(reader)
      return
    }
    const node = this.nodeOf(~reader)
    if (wholes.has(node)) return
    wholes.add(node)
    for (let unit = ~reader; unit < this.size && this.nodeOf(unit) === node; unit++) visit(unit)
  }

  entryOf(unit: Unit): EntryId | undefined {
    const known = this.#entryIds[unit]
    if (known !== undefined) return known
    const index = this.#indexes.at(unit)
    if (index === ABSENT) return undefined
    const id = entryId(this.set.change(this.nodeOf(unit)).id, index)
    this.#entryIds[unit] = id
    return id
  }

  /** Undefined for what is no entry's id, and for one that the view does not show. */
  find(entry: EntryId): Unit | undefined {
    const change = changeOfEntry(entry)
    const node = this.set.dag.find(change)
    if (node === NO_NODE || node >= this.#firstOf.length || this.#firstOf.at(node) === ABSENT)
      return undefined
    const index = indexOfEntry(entry)
    // One entry has one id: what would be read as the same number is another.
    if (index >= this.set.change(node).header.kinds.length || entryId(change, index) !== entry)
      return undefined
    return this.#firstOf.at(node) + index
  }

  /** These, each given once, in the order of the context. */
  inOrder(units: readonly Unit[]): Unit[] {
    const { tree } = this.set
    if (units.length < this.view.size * SORTED_SHARE) {
      return [...units].sort((a, b) => tree.compare(this.nodeOf(a), this.nodeOf(b)) || a - b)
    }
    const marks = new Uint8Array(this.size)
    for (const unit of units) marks[unit] = 1
    return this.#walkMarked(marks)
  }

  /** As `inOrder`, of those `count` that are marked with a 1. */
  markedInOrder(marks: Uint8Array, count: number): Unit[] {
    if (count >= this.view.size * SORTED_SHARE) return this.#walkMarked(marks)
    const units: Unit[] = []
    for (let unit = marks.indexOf(1); unit >= 0; unit = marks.indexOf(1, unit + 1)) units.push(unit)
    return this.inOrder(units)
  }

  #walkMarked(marks: Uint8Array): Unit[] {
    const sorted: Unit[] = []
    for (const node of this.view.flatten()) {
      for (let unit = this.#firstOf.at(node); this.#nodes.at(unit) === node; unit++) {
        if (marks[unit] === 1) sorted.push(unit)
      }
    }
    return sorted
  }
}
