import { entryId } from '../base/ids.js'
import type { Node } from '../base/node.js'
import { entry } from '../refs/ref-index.js'
import { entryRef, type VersionedRef } from '../refs/ref.js'
import type { Cuts } from '../graph/cuts.js'
import { Kin, KIN_MAX } from '../graph/kin.js'
import type { RefWrites } from '../writes/ref-writes.js'
import type { Write } from '../writes/write.js'
import type { ChangeSet } from '../set/change-set.js'
import { CAUSES_TOLD_MAX, type Stale, type StaleCause } from './stale.js'

/** What causes are asked of. */
export interface Derived {
  readonly node: Node
  /** Where it stands in the order of arrival. */
  readonly place: number
  readonly reads: readonly VersionedRef[]
  /** What came late to it, of a summary. */
  readonly late: readonly Node[]
}

export type Compare = (a: Node, b: Node) => number

/** The causes that are told of one, and the number of the others. */
export type Told = Pick<Stale, 'causes' | 'causesLeftOut'>

/** A cause before it is spelled out; `write` and `read` are undefined of what came late to a summary. */
interface Caused {
  readonly node: Node
  readonly write: Write | undefined
  readonly read: VersionedRef | undefined
}

/** The first causes in order; of those of one change the ones that were met first. */
class FirstCauses {
  readonly kept: Caused[] = []
  count = 0

  constructor(private readonly compare: Compare) {}

  add(node: Node, write?: Write, read?: VersionedRef): void {
    this.count++
    const { kept } = this
    if (kept.length === CAUSES_TOLD_MAX && this.compare(kept.at(-1)!.node, node) <= 0) return
    let at = kept.length
    while (at > 0 && this.compare(kept[at - 1]!.node, node) > 0) at--
    kept.splice(at, 0, { node, write, read })
    if (kept.length > CAUSES_TOLD_MAX) kept.pop()
  }
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
 * but a look is done for one of them; few are told, and those that say the same are one object.
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
  *of(derived: readonly Derived[], orderOf: (count: number) => Compare): Generator<Told> {
    const made: Made = new Map()
    for (let i = 0; i < derived.length; i += KIN_MAX) {
      yield* this.#ofFew(derived.slice(i, i + KIN_MAX), made, orderOf)
    }
  }

  *#ofFew(derived: readonly Derived[], made: Made, orderOf: (count: number) => Compare): Generator<Told> {
    const { counts, kin } = this.#survey(derived)
    for (const [index, each] of derived.entries()) {
      const first = new FirstCauses(orderOf(counts[index]! + each.late.length))
      this.#eachWrite(each, (write, read) => {
        if (write.node !== each.node && !this.#isBehind(write, each, index, kin))
          first.add(write.node, write, read)
      })
      for (const late of each.late) first.add(late)
      const causes = first.kept.map(({ node, write, read }) =>
        write && read
          ? this.#tell(write, read, this.#isLater(write, each, index, kin), made)
          : this.#late(node),
      )
      yield { causes, causesLeftOut: first.count - causes.length }
    }
  }

  #eachWrite({ node, reads }: Derived, visit: (write: Write, read: VersionedRef) => void): void {
    const cut = this.cuts.at(node)
    for (const read of reads) this.writes.eachTouchingAfter(read, node, cut, write => visit(write, read))
  }

  #tell(write: Write, read: VersionedRef, isLater: boolean, made: Made): StaleCause {
    const { superseded, staleReads } = entry(made, read.ref, newKinds)
    return entry(
      isLater ? superseded : staleReads,
      write.number,
      (): StaleCause => ({
        kind: isLater ? 'superseded' : 'stale-read',
        change: this.set.dag.id(write.node),
        wrote: write.ref,
        read: read.ref,
      }),
    )
  }

  /** How many writes each may have causes in; no kin while there is little to ask. */
  #survey(derived: readonly Derived[]): { readonly counts: number[]; readonly kin: Kin | undefined } {
    let questions = 0
    let lowest = Number.POSITIVE_INFINITY
    const counts = derived.map(each => {
      let count = 0
      this.#eachWrite(each, write => {
        count++
        lowest = Math.min(lowest, write.node)
        if (this.#isKnownFrom(write, each) === undefined) questions++
      })
      return count
    })
    if (questions <= FEW_QUESTIONS) return { counts, kin: undefined }
    const nodes = derived.map(({ node }) => node)
    return { counts, kin: new Kin(this.set.dag, nodes, lowest) }
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
