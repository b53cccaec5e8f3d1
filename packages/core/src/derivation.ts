import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { ManifestRef } from './header.js'
import { type EntryId, entryId } from './ids.js'
import { pastOf } from './past-walk.js'
import { entryOf, pointersOf, stateRef } from './ref.js'
import { RefIndex } from './ref-index.js'
import type { BlastRadius } from './stale.js'

/**
 * What was derived from what some changes hold (ERA-1), be it by way of others: from their entries, as manifests and the
 * ranges of summaries tell, and by whoever had seen what they wrote to the state.
 * @returns in order, without these changes themselves
 */
export function derivedFrom(set: ChangeSet, nodes: ReadonlySet<Node>): BlastRadius {
  const derivation = new Derivation(set, nodes)
  // Nearly all came later than what they name, and the first pass meets them.
  for (let found = true; found; ) found = derivation.pass()
  return derivation.radius()
}

class Derivation {
  readonly #entries = new Set<EntryId>()
  /** The changes of which something is derived, and those that it is derived from. */
  readonly #changes = new Set<Node>()
  /** Those of which all is: what they wrote to the state too. */
  readonly #wholes = new Set<Node>()
  readonly #writes = new RefIndex<Node>()

  constructor(
    private readonly set: ChangeSet,
    private readonly from: ReadonlySet<Node>,
  ) {
    for (const node of from) this.#takeWhole(node)
  }

  /** Looks at each change once; returns whether something was found. */
  pass(): boolean {
    const before = this.#entries.size + this.#wholes.size
    for (let node = 0; node < this.set.size; node++) if (!this.#wholes.has(node)) this.#look(node)
    return this.#entries.size + this.#wholes.size > before
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
    for (const pointer of pointersOf(this.set.change(node).header.writes))
      this.#writes.itemsAt(stateRef(pointer)).push(node)
  }

  #idsIn(node: Node): EntryId[] {
    const { id, header } = this.set.change(node)
    return header.kinds.map((_, index) => entryId(id, index))
  }
}
