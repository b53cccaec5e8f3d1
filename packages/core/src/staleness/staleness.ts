import { Arrows } from '../base/arrows.js'
import { type EntryKey, entryKey, indexOfKey, nodeOfKey } from '../base/entry-key.js'
import { changeOfEntry, type EntryId, entryId } from '../base/ids.js'
import { IntList } from '../base/int-list.js'
import { NodeMarks } from '../base/node-marks.js'
import type { Node } from '../base/node.js'
import { entryOf, entryRef, parseRef, readableRef, stateRef, type VersionedRef } from '../refs/ref.js'
import { readsByEntry } from '../change/manifest.js'
import { Cuts } from '../graph/cuts.js'
import { pastOf } from '../graph/past-walk.js'
import type { View } from '../graph/view.js'
import { type IsBehind, RefWrites } from '../writes/ref-writes.js'
import type { ChangeSet } from '../set/change-set.js'
import { describeRadius } from './blast-radius.js'
import { OpenReads } from './open-reads.js'
import { RefReaders } from './ref-readers.js'
import { StaleCauses } from './stale-causes.js'
import { describeStale } from './stale-units.js'
import type { BlastRadius, Stale } from './stale.js'
import { SummaryReads } from './summary-reads.js'
import { type Reader, type Unit, Units } from './units.js'

/**
 * What is stale in one view: a function of the view's set, kept up to date as the view grows. Direct causes are not
 * stored; they are read off the index when asked for, so that they do not depend on the order of arrival either.
 */
export class Staleness {
  #caughtUp = 0
  readonly #units: Units
  readonly #cuts: Cuts
  readonly #reads = new RefReaders()
  /** Of `#reads`, those that nothing has made stale. */
  readonly #open: OpenReads
  readonly #writes: RefWrites
  /** What read an entry, by that entry. */
  readonly #dependents = new Arrows()
  /** What read an entry that the view does not show, or not yet. */
  readonly #awaiting = new Map<EntryId, Reader[]>()
  readonly #stale = new Set<Unit>()
  /** The same, in the order in which they became so. */
  readonly #became = new IntList()
  /** Changes all of whose entries are stale by what they read together. */
  readonly #wholes = new NodeMarks()
  readonly #summaries: SummaryReads
  readonly #causes: StaleCauses

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {
    this.#units = new Units(set, view)
    this.#cuts = new Cuts(set.dag)
    this.#writes = new RefWrites(set.dag, this.#cuts)
    this.#open = new OpenReads(set.dag, this.#units, this.#writes, reader => this.#isMarked(reader))
    this.#summaries = new SummaryReads(set, view)
    this.#causes = new StaleCauses(set, this.#writes, this.#cuts)
  }

  /** Takes in what the view has grown by, and says what has become stale by it (STL-5), in order. */
  catchUp(): Stale[] {
    return this.since(this.#became.length)
  }

  /** So many are stale, in the order in which they became so, when all of the view has been taken in. */
  get count(): number {
    this.takeIn()
    return this.#became.length
  }

  /**
   * What has become stale since `count` was this. Each who asks keeps a count of their own.
   * @param isWanted says of an entry whether it is asked about
   */
  since(count: number, isWanted: (key: EntryKey) => boolean = () => true): Stale[] {
    this.takeIn()
    const fresh: Unit[] = []
    for (let i = count; i < this.#became.length; i++) {
      const unit = this.#became.at(i)
      if (isWanted(this.#keyOf(unit))) fresh.push(unit)
    }
    return fresh.length === 0 ? [] : this.#describe(fresh)
  }

  /** As `since`, without the causes. */
  keysSince(count: number): EntryKey[] {
    this.takeIn()
    const keys: EntryKey[] = []
    for (let i = count; i < this.#became.length; i++) keys.push(this.#keyOf(this.#became.at(i)))
    return keys
  }

  #keyOf(unit: Unit): EntryKey {
    const node = this.#units.nodeOf(unit)
    return entryKey(node, unit - this.#units.firstOf(node))
  }

  /** As `count`, when so many of the changes of the view have been taken in; undefined when more have been. */
  countAfter(arrived: number): number | undefined {
    if (this.#caughtUp > arrived) return undefined
    this.takeIn(arrived)
    return this.#became.length
  }

  /** As `catchUp`, for whoever need not know the causes. */
  takeIn(arrived = this.view.arrived.length): void {
    for (; this.#caughtUp < arrived; this.#caughtUp++) {
      const node = this.view.arrived.at(this.#caughtUp)
      const first = this.#units.add(node)
      this.#cuts.add(node, first)
      const isOld = (earlier: Node): boolean => this.#units.firstOf(earlier) <= this.#cuts.at(node)
      const isBehind = pastOf(this.set.dag, node, isOld)
      this.#addUnits(first)
      this.#addWrites(node, first, isBehind)
      this.#addReads(node, first, isBehind)
      for (const summary of this.#summaries.add(node, this.#staleNodes())) {
        this.#mark(this.#units.firstOf(summary))
      }
    }
  }

  /** All that is stale, in order. */
  all(): Stale[] {
    this.takeIn()
    return this.#describe([...this.#stale])
  }

  /** Whether an entry is stale, and why; undefined when it is not. @throws WEFT_CHANGE_UNKNOWN */
  why(entry: EntryId): Stale | undefined {
    const unit = this.#known(entry)
    return unit !== undefined && this.#stale.has(unit) ? this.#describe([unit])[0] : undefined
  }

  /** As `why`, of one that is shown, as of when this last caught up. */
  whyAt(key: EntryKey): Stale | undefined {
    const unit = this.#units.firstOf(nodeOfKey(key)) + indexOfKey(key)
    return this.#stale.has(unit) ? this.#describe([unit])[0] : undefined
  }

  /** Whether the view shows an entry. @throws WEFT_CHANGE_UNKNOWN */
  shows(entry: EntryId): boolean {
    return this.#known(entry) !== undefined
  }

  /** Whether an entry was stale when this last caught up, by its place in its change. */
  isStaleAt(node: Node, entry: number): boolean {
    return this.#stale.has(this.#units.firstOf(node) + entry)
  }

  /** What an entry was derived from. @throws WEFT_CHANGE_UNKNOWN */
  derivedFrom(entry: EntryId): readonly VersionedRef[] {
    const unit = this.#known(entry)
    if (unit === undefined) return NONE
    const node = this.#units.nodeOf(unit)
    return readsByEntry(this.set.change(node).header.reads)(unit - this.#units.firstOf(node))
  }

  /** What was derived from a ref; an entry that is named is not in it. @throws WEFT_REF_INVALID */
  blastRadius(ref: string): BlastRadius {
    this.takeIn()
    const named = parseRef(ref)
    const isHit = new Uint8Array(this.#units.size)
    const readers = [...this.#reads.of(named)]
    const entry = entryOf(named.ref)
    const unit = entry === undefined ? undefined : this.#units.find(entry)
    // No manifest names what a summary stands for.
    if (unit !== undefined) this.#eachDependent(unit, reader => readers.push(reader))
    const count = this.#closure(isHit, readers)
    return describeRadius(this.set, this.#units, this.#units.markedInOrder(isHit, count))
  }

  /**
   * Marks some and all that was derived from them; returns how many are marked then. It nearly always came later, so one
   * pass upwards meets it; what was here before its source is gone after at once.
   */
  #closure(isHit: Uint8Array, readers: Iterable<Reader>): number {
    let count = 0
    let at = 0
    const before: Unit[] = []
    const wholes = new NodeMarks()
    const hit = (unit: Unit): void => {
      if (isHit[unit] === 1) return
      isHit[unit] = 1
      if (unit < at) before.push(unit)
    }
    const reach = (reader: Reader): void => this.#units.eachOf(reader, wholes, hit)
    for (const reader of readers) reach(reader)
    for (; at < isHit.length; at++) {
      if (isHit[at] === 0) continue
      for (let next: Unit | undefined = at; next !== undefined; next = before.pop()) {
        count++
        this.#eachDependent(next, reach)
      }
    }
    return count
  }

  /** What has read the entries of a change that has just come was derived from them all along. */
  #addUnits(first: Unit): void {
    for (let unit = first; unit < this.#units.size; unit++) {
      const entry = this.#awaiting.size === 0 ? undefined : this.#units.entryOf(unit)
      const awaiting = entry && this.#awaiting.get(entry)
      if (!awaiting) continue
      for (const dependent of awaiting) this.#dependents.add(unit, dependent)
      this.#awaiting.delete(entry)
    }
  }

  #addWrites(node: Node, first: Unit, isBehind: IsBehind): void {
    for (const write of this.#writtenBy(node)) {
      for (const reader of this.#open.metBy(write, node)) this.#mark(reader)
      this.#writes.add(write, node, first, isBehind)
    }
    for (const end of this.set.change(node).header.notes.ends ?? NONE) {
      for (const reader of this.#open.metBy({ ref: stateRef(end) }, node, true)) this.#mark(reader)
      this.#writes.addEnd(end, node, first)
    }
  }

  /** What a change writes, and the entries that it takes back: who was derived from one of these must know (STP-4). */
  *#writtenBy(node: Node): Generator<VersionedRef> {
    for (const text of this.set.change(node).header.writes) yield readableRef(text)
    for (const reverted of this.set.reverts.namedBy(node)) {
      const { id, header } = this.set.change(reverted)
      for (const index of header.kinds.keys()) yield { ref: entryRef(entryId(id, index)) }
    }
  }

  #addReads(node: Node, first: Unit, isBehind: IsBehind): void {
    const { reads } = this.set.change(node).header
    const all = this.#units.areMany(node) ? ~first : first
    for (const read of reads) {
      const reader = read.entry === undefined ? all : first + read.entry
      // An entry that the change does not hold reads nothing.
      if (reader < this.#units.size) this.#addRead(read, reader, node, isBehind)
    }
  }

  #addRead(read: VersionedRef, reader: Reader, node: Node, isBehind: IsBehind): void {
    this.#reads.add(read, reader)
    const source = entryOf(read.ref)
    if (source !== undefined) {
      const found = this.#units.find(source)
      if (found === undefined) this.#await(source, reader)
      else this.#dependents.add(found, reader)
      if (found !== undefined && this.#stale.has(found)) this.#mark(reader)
    }
    if (this.#isMarked(reader)) return
    if (this.#writes.isNews(read, node, isBehind)) this.#mark(reader)
    else this.#open.add(read, reader)
  }

  #isMarked(reader: Reader): boolean {
    return reader < 0 ? this.#wholes.has(this.#units.nodeOf(~reader)) : this.#stale.has(reader)
  }

  #await(entry: EntryId, reader: Reader): void {
    const awaiting = this.#awaiting.get(entry)
    if (awaiting) awaiting.push(reader)
    else this.#awaiting.set(entry, [reader])
  }

  #mark(reader: Reader): void {
    const spread = [reader]
    const mark = (unit: Unit): void => {
      if (this.#stale.has(unit)) return
      this.#stale.add(unit)
      this.#became.push(unit)
      this.#eachDependent(unit, dependent => spread.push(dependent))
    }
    for (let next = spread.pop(); next !== undefined; next = spread.pop()) {
      this.#units.eachOf(next, this.#wholes, mark)
    }
  }

  /** What read an entry, and the summaries that stand for it. */
  #eachDependent(unit: Unit, visit: (dependent: Reader) => void): void {
    this.#dependents.each(unit, visit)
    if (!this.#summaries.any) return
    for (const summary of this.#summaries.standingFor(this.#units.nodeOf(unit)))
      visit(this.#units.firstOf(summary))
  }

  *#staleNodes(): Generator<Node> {
    for (const unit of this.#stale) yield this.#units.nodeOf(unit)
  }

  #describe(units: readonly Unit[]): Stale[] {
    return describeStale(units, this.set, this.view, this.#units, this.#stale, this.#summaries, this.#causes)
  }

  /** An entry of the view. @throws WEFT_CHANGE_UNKNOWN when its change is not here at all */
  #known(entry: EntryId): Unit | undefined {
    this.takeIn()
    this.set.dag.node(changeOfEntry(entry))
    return this.#units.find(entry)
  }
}

const NONE: readonly never[] = []
