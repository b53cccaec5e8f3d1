import { BranchWriter, ChangeSet, entryId, entryRef, MAIN_BRANCH, Staleness, stateRef } from '@weft/core'
import { Dice, message } from '../dice.js'
import { host } from '../host.js'
import { timed } from '../measure.js'

const SEED = 20_250_105
const VALUES = 64

/** How the entries of a context come to depend on a ref. */
export interface Lineage {
  readonly title: string
  /** What each entry was derived from; `previous` are the entries before it. */
  readonly reads: (index: number, previous: readonly string[], dice: Dice) => string
  readonly ref: string
}

const ROOT = 'ext:doc/17'
const POINTER = '/constraints/format'

export const LINEAGES: readonly Lineage[] = [
  { title: 'each read an external ref', ref: ROOT, reads: () => ROOT },
  { title: 'each read a pointer of the state', ref: stateRef(POINTER), reads: () => stateRef(POINTER) },
  {
    title: 'one read an external ref, the others read one another',
    ref: ROOT,
    reads: (index, previous, dice) => (index === 0 ? ROOT : entryRef(previous[dice.below(index)]!)),
  },
]

/** A context in which a number of entries were derived from one ref, among others that were not. */
export class DerivedContext {
  readonly #set = new ChangeSet(host.hash)
  readonly #writer = new BranchWriter(this.#set, host, MAIN_BRANCH, 'agent')
  readonly staleness = new Staleness(this.#set, this.#set.view(MAIN_BRANCH))
  readonly #dice = new Dice(SEED)
  readonly #values = Array.from({ length: VALUES }, () => message(this.#dice))

  /** @param among entries in all; those that were derived are spread evenly among them */
  constructor(
    private readonly lineage: Lineage,
    readonly derived: number,
    among: number,
  ) {
    const ids: string[] = []
    for (let i = 0; i < among; i++) {
      const isDerived = Math.floor(((i + 1) * derived) / among) > ids.length
      const change = this.#append(isDerived ? lineage.reads(ids.length, ids, this.#dice) : `ext:other/${i}`)
      if (isDerived) ids.push(entryId(change, 0))
    }
    this.staleness.catchUp()
  }

  #append(ref: string): string {
    const entries = [{ kind: 'message', value: this.#values[this.#dice.below(VALUES)]! }]
    return this.#writer.write({ entries, reads: [{ ref, entry: 0 }] })!.id
  }

  /** Milliseconds from a write to what they were derived from until each is told stale, with its causes. */
  invalidate(): number {
    this.#writer.write({ writes: [this.lineage.ref] })
    const { ms, made } = timed(() => this.staleness.catchUp())
    if (made.length !== this.derived) throw new Error(`${made.length} of ${this.derived} became stale`)
    return ms
  }

  /** Milliseconds until it is told what was derived from the ref. */
  blastRadius(): number {
    const { ms, made } = timed(() => this.staleness.blastRadius(this.lineage.ref))
    if (made.entries.length !== this.derived)
      throw new Error(`${made.entries.length} of ${this.derived} in radius`)
    return ms
  }
}
