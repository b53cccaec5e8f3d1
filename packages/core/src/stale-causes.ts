import type { ChangeSet } from './change-set.js'
import type { Cuts } from './cuts.js'
import type { Node } from './dag.js'
import { entryRef, type VersionedRef } from './ref.js'
import { entryId } from './ids.js'
import { Kin, KIN_MAX } from './kin.js'
import { entry } from './ref-index.js'
import type { RefWrites, Write } from './ref-writes.js'
import type { StaleCause } from './stale.js'

/** What causes are asked of. */
export interface Derived {
  readonly node: Node
  /** Where it stands in the order of arrival. */
  readonly place: number
  readonly reads: readonly VersionedRef[]
  /** What came late to it, of a summary. */
  readonly late: readonly Node[]
}

interface Found {
  readonly read: VersionedRef
  readonly writes: readonly Write[]
}

export type Compare = (a: Node, b: Node) => number

interface Caused {
  readonly node: Node
  readonly cause: StaleCause
}

/** By ref that was read, by number of the write. */
type Made = Map<string, ReturnType<typeof newKinds>>

function newKinds() {
  return { superseded: new Map<number, StaleCause>(), staleReads: new Map<number, StaleCause>() }
}

/** So few questions of a batch are asked one by one. */
const FEW_QUESTIONS = 16

/**
 * What made things stale, read off the writes of a view. There may be as many causes as reads times writes, so nothing
 * but a look is done for one of them, and those that say the same are one object.
 */
export class StaleCauses {
  constructor(
    private readonly set: ChangeSet,
    private readonly writes: RefWrites,
    private readonly cuts: Cuts,
  ) {}

  /**
   * The causes of each, in the order of the changes that wrote.
   * @param orderOf the order of the context, to sort so many by
   */
  *of(derived: readonly Derived[], orderOf: (count: number) => Compare): Generator<StaleCause[]> {
    const made: Made = new Map()
    for (let i = 0; i < derived.length; i += KIN_MAX) {
      for (const causes of this.#ofFew(derived.slice(i, i + KIN_MAX), made)) {
        const compare = orderOf(causes.length)
        yield causes.sort((a, b) => compare(a.node, b.node)).map(({ cause }) => cause)
      }
    }
  }

  *#ofFew(derived: readonly Derived[], made: Made): Generator<Caused[]> {
    const found = derived.map(each => this.#find(each))
    const kin = this.#kinOf(derived, found)
    for (const [index, each] of derived.entries()) {
      const causes: Caused[] = []
      for (const { read, writes } of found[index]!) {
        const { superseded, staleReads } = entry(made, read.ref, newKinds)
        for (const write of writes) {
          if (write.node === each.node || this.#isBehind(write, each, index, kin)) continue
          const kind = this.#isLater(write, each, index, kin) ? 'superseded' : 'stale-read'
          const cause = entry(
            kind === 'superseded' ? superseded : staleReads,
            write.number,
            (): StaleCause => ({
              kind,
              change: this.set.dag.id(write.node),
              wrote: write.ref,
              read: read.ref,
            }),
          )
          causes.push({ node: write.node, cause })
        }
      }
      for (const late of each.late) causes.push({ node: late, cause: this.#late(late) })
      yield causes
    }
  }

  #find({ node, reads }: Derived): Found[] {
    const cut = this.cuts.at(node)
    return reads.map(read => ({ read, writes: this.writes.touchingAfter(read, cut) }))
  }

  /** Undefined while there is little to ask. */
  #kinOf(derived: readonly Derived[], found: readonly (readonly Found[])[]): Kin | undefined {
    let questions = 0
    let lowest = Number.POSITIVE_INFINITY
    for (const [index, each] of derived.entries()) {
      for (const { writes } of found[index]!) {
        for (const write of writes) {
          lowest = Math.min(lowest, write.node)
          if (this.#isKnownFrom(write, each) === undefined) questions++
        }
      }
    }
    if (questions <= FEW_QUESTIONS) return undefined
    return new Kin(
      this.set.dag,
      derived.map(({ node }) => node),
      lowest,
    )
  }

  /** Whether one of the two has the other in its past, as far as that is plain; undefined where it has to be asked. */
  #isKnownFrom(write: Write, { node, place }: Derived): boolean | undefined {
    const { dag } = this.set
    if (write.place <= place) return dag.isOwnPast(write.node, node) ? true : undefined
    return place <= this.cuts.at(write.node) || dag.isOwnPast(node, write.node) ? true : undefined
  }

  /** Whether what was read was seen with the write. */
  #isBehind(write: Write, derived: Derived, index: number, kin: Kin | undefined): boolean {
    if (write.place > derived.place) return false
    if (this.#isKnownFrom(write, derived)) return true
    return kin ? kin.isAfter(index, write.node) : this.set.dag.isAncestor(write.node, derived.node)
  }

  /** Whether who wrote knew what had been derived. */
  #isLater(write: Write, derived: Derived, index: number, kin: Kin | undefined): boolean {
    if (write.place < derived.place) return false
    if (this.#isKnownFrom(write, derived)) return true
    return kin ? kin.isBefore(index, write.node) : this.set.dag.isAncestor(derived.node, write.node)
  }

  #late(node: Node): StaleCause {
    const { dag, tree } = this.set
    const wrote = entryRef(entryId(dag.id(node), 0))
    return { kind: 'stale-read', change: dag.id(node), wrote, read: `branch:${tree.branchOf(node)}` }
  }
}
