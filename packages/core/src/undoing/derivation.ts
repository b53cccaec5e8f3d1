import { ABSENT } from '../base/cbor-cursor.js'
import { type EntryId, entryId } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { moveIn } from '../refs/list-marks.js'
import { RefIndex } from '../refs/ref-index.js'
import { entryOf, movesOf, pointersOf, stateRef } from '../refs/ref.js'
import type { ManifestRef } from '../change/header.js'
import { pastOf } from '../graph/past-walk.js'
import { keyedPointer, pointersAbove } from '../automerge/keyed-pointers.js'
import type { ChangeSet } from '../set/change-set.js'
import type { BlastRadius } from '../staleness/stale.js'
import { type Copied, type Original, StateCopies } from './state-copies.js'

/**
 * What was derived from what some changes hold (ERA-1), be it by way of others: from their entries, as manifests and the
 * ranges of summaries tell; from what they wrote to the state by whoever had seen it, and the copies that Weft makes.
 * @returns in order, without these changes themselves
 */
export function derivedFrom(set: ChangeSet, nodes: ReadonlySet<Node>): BlastRadius {
  const derivation = new Derivation(set, nodes)
  try {
    // Nearly all came later than what they name, and the first pass meets them.
    for (let found = true; found; ) found = derivation.pass()
    return derivation.radius()
  } finally {
    derivation.free()
  }
}

class Derivation {
  readonly #entries = new Set<EntryId>()
  /** The changes of which something is derived, and those that it is derived from. */
  readonly #changes = new Set<Node>()
  /** Those of which all is. */
  readonly #wholes = new Set<Node>()
  /** Those whose write to the state is. */
  readonly #states = new Set<Node>()
  /** Who wrote so to a pointer, and to a place. */
  readonly #writes = new RefIndex<Node>()
  readonly #originals = new RefIndex<Original>()
  readonly #copies: StateCopies
  #moved: ReadonlySet<string> | undefined

  constructor(
    private readonly set: ChangeSet,
    private readonly from: ReadonlySet<Node>,
  ) {
    this.#copies = new StateCopies(set, {
      has: node => this.#states.has(node),
      touching: pointer => this.#originals.touching(stateRef(pointer)),
    })
    for (const node of from) this.#takeWhole(node)
  }

  /** Looks at each change once; returns whether something was found. */
  pass(): boolean {
    const before = this.#found
    for (let node = 0; node < this.set.size; node++) if (!this.#wholes.has(node)) this.#look(node)
    return this.#found > before
  }

  get #found(): number {
    return this.#entries.size + this.#wholes.size + this.#states.size
  }

  /** Gives memory back: nothing can be found after this. */
  free(): void {
    this.#copies.free()
  }

  radius(): BlastRadius {
    const { set } = this
    const others = [...this.#changes].filter(node => !this.from.has(node))
    const left = others.sort((a, b) => set.tree.compare(a, b))
    return {
      entries: left.flatMap(node => this.#idsIn(node).filter(id => this.#entries.has(id))),
      changes: left.map(node => set.dag.id(node)),
      branches: [...new Set(left.map(node => set.change(node).header.branch))],
    }
  }

  #look(node: Node): void {
    const { kinds, reads } = this.set.change(node).header
    const isSeen = pastOf(this.set.dag, node, () => false)
    const found = reads.filter(read => this.#isDerived(read, isSeen))
    if (this.#standsFor(node) || found.some(({ entry }) => entry === undefined || kinds.length === 0)) {
      this.#takeWhole(node)
      return
    }
    for (const { entry } of found) {
      // An entry that the change does not hold reads nothing.
      if (entry! >= kinds.length) continue
      this.#changes.add(node)
      this.#entries.add(entryId(this.set.dag.id(node), entry!))
    }
    if (this.#states.size === 0 || this.#states.has(node)) return
    const copied = this.#copies.in(node, isSeen)
    if (copied) this.#takeState(node, copied)
  }

  #isDerived({ ref }: ManifestRef, isSeen: (node: Node) => boolean): boolean {
    const entry = entryOf(ref)
    if (entry !== undefined) return this.#entries.has(entry)
    for (const writer of this.#writes.touching(ref)) if (isSeen(writer)) return true
    return false
  }

  /** Whether it is a summary of any: of what was only written to the state too, which its author may have been shown. */
  #standsFor(node: Node): boolean {
    const { summaries } = this.set
    if (!summaries.has(node)) return false
    const { nodes } = summaries.rangeOf(node)
    for (const each of this.#changes) if (nodes.has(each)) return true
    return false
  }

  #takeWhole(node: Node): void {
    this.#changes.add(node)
    this.#wholes.add(node)
    for (const id of this.#idsIn(node)) this.#entries.add(id)
    this.#takeState(node, { parts: undefined })
  }

  #takeState(node: Node, copied: Copied): void {
    const { writes, stateHashAt } = this.set.change(node).header
    const pointers = pointersOf(writes)
    if (pointers.length === 0) return
    // One that names pointers and writes nothing holds nothing.
    if (stateHashAt !== ABSENT) this.#changes.add(node)
    this.#states.add(node)
    const keyed = new Set(this.#copies.keyedOf(node, copied))
    for (const pointer of keyed)
      this.#originals.itemsAt(stateRef(pointer)).push({ node, pointer, parts: copied.parts })
    for (const pointer of pointers) {
      if (keyed.has(keyedPointer(pointer))) this.#writes.itemsAt(stateRef(this.#readAs(pointer))).push(node)
    }
  }

  /** Where whoever came later may have read what was written at a pointer: of a list with moves, by any index. */
  #readAs(pointer: string): string {
    this.#moved ??= movedListsIn(this.set)
    const lists = [...pointersAbove(pointer)].reverse()
    return lists.find(list => this.#moved!.has(list)) ?? pointer
  }

  #idsIn(node: Node): EntryId[] {
    const { id, header } = this.set.change(node)
    return header.kinds.map((_, index) => entryId(id, index))
  }
}

/** The lists of which items have ever stood elsewhere. */
function movedListsIn(set: ChangeSet): ReadonlySet<string> {
  const lists = new Set<string>()
  for (let node = 0; node < set.size; node++) {
    const { writes, notes } = set.change(node).header
    for (const { list } of movesOf(writes)) lists.add(list)
    for (const end of notes.ends ?? []) lists.add(moveIn(end)!.list)
  }
  return lists
}
