import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { type BranchName, type ChangeId, type EntryId, entryId } from './ids.js'
import { entryOf, entryRef, parseRef, touches, type VersionedRef } from './ref.js'
import { RefIndex } from './ref-index.js'
import { SummaryReads } from './summary-reads.js'
import type { View } from './view.js'

/** STL-3: whether the write came after what it made stale, knowing it, or beside it, each unknown to the other. */
export type StaleKind = 'superseded' | 'stale-read'

/** What made something stale: a write to something that it was derived from. */
export interface StaleCause {
  readonly kind: StaleKind
  readonly change: ChangeId
  /** What was written, and what of it had been read; of a summary `branch:<name>`, where its range lies. */
  readonly wrote: string
  readonly read: string
}

/** One entry, or a change without entries, that was derived from something written since. */
export interface Stale {
  readonly change: ChangeId
  /** Undefined for a change that holds no entries. */
  readonly entry: EntryId | undefined
  readonly branch: BranchName
  readonly causes: readonly StaleCause[]
  /** Stale entries that it was derived from (STL-4). */
  readonly via: readonly EntryId[]
}

/** What was derived from a ref, transitively (STL-6), in order. */
export interface BlastRadius {
  readonly entries: readonly EntryId[]
  readonly changes: readonly ChangeId[]
  readonly branches: readonly BranchName[]
}

/** An entry of a change, or a whole change that has none, as one number. */
type Unit = number
const UNITS_PER_CHANGE = 8_192

interface Read extends VersionedRef {
  readonly unit: Unit
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
  readonly #reads = new RefIndex<Read>()
  readonly #writes = new RefIndex<Write>()
  /** Per ref, the writes that no other write to that very ref has in its past. */
  readonly #lastWrites = new RefIndex<Write>()
  readonly #dependents = new Map<EntryId, Unit[]>()
  readonly #readsOf = new Map<Unit, readonly VersionedRef[]>()
  readonly #stale = new Set<Unit>()
  readonly #summaries: SummaryReads

  constructor(
    private readonly set: ChangeSet,
    private readonly view: View,
  ) {
    this.#summaries = new SummaryReads(set, view)
  }

  /** Takes in what the view has grown by, and says what has become stale by it (STL-5), in order. */
  catchUp(): Stale[] {
    const fresh: Unit[] = []
    for (; this.#caughtUp < this.view.arrived.length; this.#caughtUp++) {
      const node = this.view.arrived.at(this.#caughtUp)
      this.#addWrites(node, fresh)
      this.#addReads(node, fresh)
      for (const summary of this.#summaries.add(node, this.#staleNodes())) {
        this.#mark(unitAt(summary, 0), fresh)
      }
    }
    return this.#describe(fresh)
  }

  /** All that is stale, in order. */
  all(): Stale[] {
    this.catchUp()
    return this.#describe(this.#stale)
  }

  /** Whether an entry is stale, and why; undefined when it is not. @throws WEFT_CHANGE_UNKNOWN */
  why(entry: EntryId): Stale | undefined {
    this.catchUp()
    const unit = this.#unitOf(entry)
    return this.#stale.has(unit) ? this.#describe([unit])[0] : undefined
  }

  /** Whether an entry was stale when this last caught up, by its place in its change. */
  isStaleAt(node: Node, entry: number): boolean {
    return this.#stale.has(unitAt(node, entry))
  }

  /** What an entry was derived from. @throws WEFT_CHANGE_UNKNOWN */
  derivedFrom(entry: EntryId): readonly VersionedRef[] {
    this.catchUp()
    return this.#readsOf.get(this.#unitOf(entry)) ?? []
  }

  /** @throws WEFT_REF_INVALID */
  blastRadius(ref: string): BlastRadius {
    this.catchUp()
    const named = parseRef(ref)
    const hit = new Set<Unit>()
    const spread: Unit[] = []
    const reach = (unit: Unit): void => {
      if (hit.has(unit)) return
      hit.add(unit)
      spread.push(unit)
    }
    for (const read of this.#reads.touching(named.ref)) {
      if (named.version === undefined || named.version === read.version) reach(read.unit)
    }
    for (const unit of this.#dependents.get(entryOf(named.ref) ?? '') ?? []) reach(unit)
    for (let unit = spread.pop(); unit !== undefined; unit = spread.pop()) {
      for (const dependent of this.#dependentsOf(unit)) reach(dependent)
    }
    const units = this.#inOrder(hit)
    return {
      entries: units.flatMap(unit => this.#entryOf(unit) ?? []),
      changes: [...new Set(units.map(unit => this.set.dag.id(nodeOf(unit))))],
      branches: [...new Set(units.map(unit => this.set.tree.branchOf(nodeOf(unit))))],
    }
  }

  #addWrites(node: Node, fresh: Unit[]): void {
    for (const text of this.set.change(node).header.writes) {
      const write = { ...readableRef(text), node }
      for (const read of this.#reads.touching(write.ref)) {
        // What arrived before this change is not after it: superseded or concurrent, it is stale either way.
        if (nodeOf(read.unit) !== node && touches(write, read)) this.#mark(read.unit, fresh)
      }
      this.#writes.add(write.ref, write)
      const last = this.#lastWrites.itemsAt(write.ref)
      const open = last.filter(
        other => !this.set.dag.isAncestor(other.node, node) || other.version !== write.version,
      )
      last.splice(0, last.length, ...open, write)
    }
  }

  #addReads(node: Node, fresh: Unit[]): void {
    const { reads, kinds } = this.set.change(node).header
    if (reads.length === 0) return
    const count = Math.max(1, kinds.length)
    for (let index = 0; index < count; index++) {
      const unit = unitAt(node, kinds.length === 0 ? undefined : index)
      const own = reads.filter(read => read.entry === undefined || read.entry === index)
      if (own.length > 0) this.#readsOf.set(unit, own)
      for (const read of own) this.#addRead({ ...read, unit }, node, fresh)
    }
  }

  #addRead(read: Read, node: Node, fresh: Unit[]): void {
    const { unit } = read
    this.#reads.add(read.ref, read)
    const source = entryOf(read.ref)
    if (source !== undefined) {
      const dependents = this.#dependents.get(source)
      if (dependents) dependents.push(unit)
      else this.#dependents.set(source, [unit])
      if (this.#isStale(source)) this.#mark(unit, fresh)
      return
    }
    for (const write of this.#lastWrites.touching(read.ref)) {
      if (write.node === node || !touches(write, read)) continue
      if (!this.set.dag.isAncestor(write.node, node)) this.#mark(unit, fresh)
    }
  }

  #mark(unit: Unit, fresh: Unit[]): void {
    const spread = [unit]
    for (let next = spread.pop(); next !== undefined; next = spread.pop()) {
      if (this.#stale.has(next)) continue
      this.#stale.add(next)
      fresh.push(next)
      spread.push(...this.#dependentsOf(next))
    }
  }

  #dependentsOf(unit: Unit): readonly Unit[] {
    const entry = this.#entryOf(unit)
    const readers = (entry === undefined ? undefined : this.#dependents.get(entry)) ?? NONE
    const summaries = this.#summaries.standingFor(nodeOf(unit))
    return summaries.length === 0 ? readers : [...readers, ...summaries.map(each => unitAt(each, 0))]
  }

  *#staleNodes(): Generator<Node> {
    for (const unit of this.#stale) yield nodeOf(unit)
  }

  #isStale(entry: EntryId): boolean {
    const node = this.set.dag.find(changeOf(entry))
    return node >= 0 && this.#stale.has(unitAt(node, indexOf(entry)))
  }

  #describe(units: Iterable<Unit>): Stale[] {
    return this.#inOrder(units).map(unit => ({
      change: this.set.dag.id(nodeOf(unit)),
      entry: this.#entryOf(unit),
      branch: this.set.tree.branchOf(nodeOf(unit)),
      causes: this.#causes(unit),
      via: this.#via(unit),
    }))
  }

  #via(unit: Unit): EntryId[] {
    const read = (this.#readsOf.get(unit) ?? NONE).flatMap(({ ref }) => {
      const source = entryOf(ref)
      return source !== undefined && this.#isStale(source) ? [source] : []
    })
    if (!this.set.summaries.has(nodeOf(unit))) return read
    const { nodes } = this.set.summaries.rangeOf(nodeOf(unit))
    const within = this.#inOrder([...this.#stale].filter(each => nodes.has(nodeOf(each))))
    return [...read, ...within.flatMap(each => this.#entryOf(each) ?? [])]
  }

  #causes(unit: Unit): StaleCause[] {
    const node = nodeOf(unit)
    const { dag, tree } = this.set
    const causes: { node: Node; cause: StaleCause }[] = []
    for (const read of this.#readsOf.get(unit) ?? NONE) {
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

  #inOrder(units: Iterable<Unit>): Unit[] {
    return [...units].sort((a, b) => this.set.tree.compare(nodeOf(a), nodeOf(b)) || a - b)
  }

  #entryOf(unit: Unit): EntryId | undefined {
    const index = unit % UNITS_PER_CHANGE
    return index === 0 ? undefined : entryId(this.set.dag.id(nodeOf(unit)), index - 1)
  }

  #unitOf(entry: EntryId): Unit {
    return unitAt(this.set.dag.node(changeOf(entry)), indexOf(entry))
  }
}

const NONE: readonly never[] = []

function unitAt(node: Node, entry: number | undefined): Unit {
  return node * UNITS_PER_CHANGE + (entry === undefined ? 0 : entry + 1)
}

function nodeOf(unit: Unit): Node {
  return Math.floor(unit / UNITS_PER_CHANGE)
}

function changeOf(entry: EntryId): ChangeId {
  return entry.slice(0, entry.indexOf('.'))
}

function indexOf(entry: EntryId): number {
  return Number(entry.slice(entry.indexOf('.') + 1))
}

/** What another version of Weft may have written is a ref that nothing touches, not an error. */
function readableRef(text: string): VersionedRef {
  try {
    return parseRef(text)
  } catch {
    return { ref: text }
  }
}
