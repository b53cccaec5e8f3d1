import { Arrows } from './arrows.js'
import { describeRadius } from './blast-radius.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { changeOfEntry, type EntryId, entryId } from './ids.js'
import { entryOf, entryRef, parseRef, readableRef, touches, type VersionedRef } from './ref.js'
import { RefIndex } from './ref-index.js'
import type { BlastRadius, Stale, StaleCause } from './stale.js'
import { SummaryReads } from './summary-reads.js'
import { type Unit, Units } from './units.js'
import type { View } from './view.js'

/** Those that read one version of a ref, one after the other. */
interface Readers extends VersionedRef {
  readonly units: Unit[]
}

interface Write extends VersionedRef {
  readonly node: Node
}

/**
 * What is stale in one view: a function of the view's set, kept up to date as the view grows. Direct causes are not
 * stored; they are read off the index when asked for, so that they do not depend on the order of arrival either.
 */
export class Staleness {
  #caughtUp = 0
  readonly #units: Units
  readonly #reads = new RefIndex<Readers>()
  readonly #writes = new RefIndex<Write>()
  /** Per ref, the writes that no other write to that very ref has in its past. */
  readonly #lastWrites = new RefIndex<Write>()
  readonly #readsOf: (readonly VersionedRef[])[] = []
  /** What read an entry, by that entry. */
  readonly #dependents = new Arrows()
  /** What read an entry that the view does not show, or not yet. */
  readonly #awaiting = new Map<EntryId, Unit[]>()
  readonly #stale = new Set<Unit>()
  readonly #summaries: SummaryReads

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {
    this.#units = new Units(set, view)
    this.#summaries = new SummaryReads(set, view)
  }

  /** Takes in what the view has grown by, and says what has become stale by it (STL-5), in order. */
  catchUp(): Stale[] {
    return this.#describe(this.#takeIn())
  }

  /** So many are stale, in the order in which they became so, when all of the view has been taken in. */
  get count(): number {
    this.#takeIn()
    return this.#stale.size
  }

  /** What has become stale since `count` was this. Each who asks keeps a count of their own. */
  since(count: number): Stale[] {
    this.#takeIn()
    return count === this.#stale.size ? [] : this.#describe([...this.#stale].slice(count))
  }

  #takeIn(): Unit[] {
    const fresh: Unit[] = []
    for (; this.#caughtUp < this.view.arrived.length; this.#caughtUp++) {
      const node = this.view.arrived.at(this.#caughtUp)
      const first = this.#units.add(node)
      this.#addUnits(first)
      this.#addWrites(node, fresh)
      this.#addReads(node, first, fresh)
      for (const summary of this.#summaries.add(node, this.#staleNodes())) {
        this.#mark(this.#units.firstOf(summary), fresh)
      }
    }
    return fresh
  }

  /** All that is stale, in order. */
  all(): Stale[] {
    this.#takeIn()
    return this.#describe([...this.#stale])
  }

  /** Whether an entry is stale, and why; undefined when it is not. @throws WEFT_CHANGE_UNKNOWN */
  why(entry: EntryId): Stale | undefined {
    const unit = this.#known(entry)
    return unit !== undefined && this.#stale.has(unit) ? this.#describe([unit])[0] : undefined
  }

  /** Whether an entry was stale when this last caught up, by its place in its change. */
  isStaleAt(node: Node, entry: number): boolean {
    return this.#stale.has(this.#units.firstOf(node) + entry)
  }

  /** What an entry was derived from. @throws WEFT_CHANGE_UNKNOWN */
  derivedFrom(entry: EntryId): readonly VersionedRef[] {
    const unit = this.#known(entry)
    return unit === undefined ? NONE : this.#readsOf[unit]!
  }

  /** @throws WEFT_REF_INVALID */
  blastRadius(ref: string): BlastRadius {
    this.#takeIn()
    const named = parseRef(ref)
    const isHit = new Uint8Array(this.#units.size)
    for (const { version, units } of this.#reads.touching(named.ref)) {
      if (named.version === undefined || named.version === version) for (const unit of units) isHit[unit] = 1
    }
    const count = this.#closure(isHit)
    return describeRadius(this.set, this.#units, this.#units.markedInOrder(isHit, count))
  }

  /**
   * Marks all that was derived from what is marked; returns how many are marked then. It nearly always came later, so one
   * pass upwards meets it; what was here before its source is gone after at once.
   */
  #closure(isHit: Uint8Array): number {
    let count = 0
    const before: Unit[] = []
    let unit = 0
    const reach = (dependent: Unit): void => {
      if (isHit[dependent] === 1) return
      isHit[dependent] = 1
      if (dependent < unit) before.push(dependent)
    }
    for (; unit < isHit.length; unit++) {
      if (isHit[unit] === 0) continue
      for (let next: Unit | undefined = unit; next !== undefined; next = before.pop()) {
        count++
        this.#eachDependent(next, reach)
      }
    }
    return count
  }

  /** What has read the entries of a change that has just come was derived from them all along. */
  #addUnits(first: Unit): void {
    for (let unit = first; unit < this.#units.size; unit++) {
      this.#readsOf.push(NONE)
      const entry = this.#awaiting.size === 0 ? undefined : this.#units.entryOf(unit)
      const awaiting = entry && this.#awaiting.get(entry)
      if (!awaiting) continue
      for (const dependent of awaiting) this.#dependents.add(unit, dependent)
      this.#awaiting.delete(entry)
    }
  }

  #addWrites(node: Node, fresh: Unit[]): void {
    for (const ref of this.#writtenBy(node)) {
      const write = { ...ref, node }
      for (const readers of this.#reads.touching(write.ref)) {
        if (!touches(write, readers)) continue
        // What arrived before this change is not after it: superseded or concurrent, it is stale either way.
        for (const unit of readers.units) if (this.#units.nodeOf(unit) !== node) this.#mark(unit, fresh)
      }
      this.#writes.add(write.ref, write)
      const last = this.#lastWrites.itemsAt(write.ref)
      const open = last.filter(
        other => !this.set.dag.isAncestor(other.node, node) || other.version !== write.version,
      )
      last.splice(0, last.length, ...open, write)
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

  #addReads(node: Node, first: Unit, fresh: Unit[]): void {
    const { reads } = this.set.change(node).header
    if (reads.length === 0) return
    for (let unit = first; unit < this.#units.size; unit++) {
      const own = reads.filter(read => read.entry === undefined || read.entry === unit - first)
      this.#readsOf[unit] = own
      for (const read of own) this.#addRead(read, unit, fresh)
    }
  }

  #addRead(read: VersionedRef, unit: Unit, fresh: Unit[]): void {
    this.#addReader(read, unit)
    const source = entryOf(read.ref)
    if (source !== undefined) {
      const found = this.#units.find(source)
      if (found === undefined) this.#await(source, unit)
      else this.#dependents.add(found, unit)
      if (found !== undefined && this.#stale.has(found)) this.#mark(unit, fresh)
    }
    const node = this.#units.nodeOf(unit)
    for (const write of this.#lastWrites.touching(read.ref)) {
      if (write.node === node || !touches(write, read)) continue
      if (!this.set.dag.isAncestor(write.node, node)) this.#mark(unit, fresh)
    }
  }

  #addReader({ ref, version }: VersionedRef, unit: Unit): void {
    const all = this.#reads.itemsAt(ref)
    const last = all.at(-1)
    if (last && last.version === version) last.units.push(unit)
    else all.push({ ref, ...(version !== undefined && { version }), units: [unit] })
  }

  #await(entry: EntryId, unit: Unit): void {
    const awaiting = this.#awaiting.get(entry)
    if (awaiting) awaiting.push(unit)
    else this.#awaiting.set(entry, [unit])
  }

  #mark(unit: Unit, fresh: Unit[]): void {
    const spread = [unit]
    for (let next = spread.pop(); next !== undefined; next = spread.pop()) {
      if (this.#stale.has(next)) continue
      this.#stale.add(next)
      fresh.push(next)
      this.#eachDependent(next, dependent => spread.push(dependent))
    }
  }

  /** What read an entry, and the summaries that stand for it. */
  #eachDependent(unit: Unit, visit: (dependent: Unit) => void): void {
    this.#dependents.each(unit, visit)
    if (!this.#summaries.any) return
    for (const summary of this.#summaries.standingFor(this.#units.nodeOf(unit)))
      visit(this.#units.firstOf(summary))
  }

  *#staleNodes(): Generator<Node> {
    for (const unit of this.#stale) yield this.#units.nodeOf(unit)
  }

  #isStale(entry: EntryId): boolean {
    const unit = this.#units.find(entry)
    return unit !== undefined && this.#stale.has(unit)
  }

  #describe(units: readonly Unit[]): Stale[] {
    return this.#units.inOrder(units).map(unit => {
      const node = this.#units.nodeOf(unit)
      return {
        change: this.set.change(node).id,
        entry: this.#units.entryOf(unit),
        branch: this.set.tree.branchOf(node),
        causes: this.#causes(unit),
        via: this.#via(unit),
      }
    })
  }

  #via(unit: Unit): EntryId[] {
    const read = this.#readsOf[unit]!.flatMap(({ ref }) => {
      const source = entryOf(ref)
      return source !== undefined && this.#isStale(source) ? [source] : []
    })
    const node = this.#units.nodeOf(unit)
    if (!this.set.summaries.has(node)) return read
    const { nodes } = this.set.summaries.rangeOf(node)
    const within = [...this.#stale].filter(each => nodes.has(this.#units.nodeOf(each)))
    return [...read, ...this.#units.inOrder(within).flatMap(each => this.#units.entryOf(each) ?? [])]
  }

  #causes(unit: Unit): StaleCause[] {
    const node = this.#units.nodeOf(unit)
    const { dag, tree } = this.set
    const causes: { node: Node; cause: StaleCause }[] = []
    for (const read of this.#readsOf[unit]!) {
      for (const write of this.#writes.touching(read.ref)) {
        if (write.node === node || !touches(write, read) || dag.isAncestor(write.node, node)) continue
        const kind = dag.isAncestor(node, write.node) ? 'superseded' : 'stale-read'
        causes.push({
          node: write.node,
          cause: { kind, change: dag.id(write.node), wrote: write.ref, read: read.ref },
        })
      }
    }
    for (const late of this.set.summaries.has(node) ? this.#summaries.lateTo(node) : NONE) {
      const wrote = entryRef(entryId(dag.id(late), 0))
      const read = `branch:${tree.branchOf(late)}`
      causes.push({ node: late, cause: { kind: 'stale-read', change: dag.id(late), wrote, read } })
    }
    return causes.sort((a, b) => tree.compare(a.node, b.node)).map(({ cause }) => cause)
  }

  /** An entry of the view. @throws WEFT_CHANGE_UNKNOWN when its change is not here at all */
  #known(entry: EntryId): Unit | undefined {
    this.#takeIn()
    this.set.dag.node(changeOfEntry(entry))
    return this.#units.find(entry)
  }
}

const NONE: readonly never[] = []
