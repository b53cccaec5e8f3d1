import { type Chain, Chains, countWhile, type Placed } from '../base/chains.js'
import type { Node } from '../base/node.js'
import type { Move } from '../refs/list-marks.js'
import type { Dag } from '../graph/dag.js'
import { pastOf } from '../graph/past-walk.js'

/** What somebody has seen: all that came up to a cut, and what else is told of each change. */
export interface Knower {
  readonly cut: number
  readonly knows: (node: Node) => boolean
}

/** What one change moved: items of a list, or those of lists within its items. */
interface ListMove extends Placed {
  /** The lowest of the indexes from which on items of the list itself were moved; `NOWHERE` where none were. */
  from: number
  /** Whether it took some of these out. */
  removes: boolean
  isInner: boolean
  /** How many changes of its actor, with it, moved items of the list itself, and how many took some out. */
  owns: number
  removals: number
}

/** The moves of a list that somebody had seen. */
export interface Sight {
  readonly cut: number
  /** How many of those of an actor, where that is more than the ones up to the cut. */
  readonly counts: ReadonlyMap<Chain<ListMove>, number>
}

/** What a change had seen of the moves of a list: its own are told by itself, so that a sight lasts while others' stay. */
export interface OwnSight extends Sight {
  readonly actor: number
}

/** Nothing that is written to a list is astray for whoever reads it: from no index on. */
const NOWHERE = Number.POSITIVE_INFINITY

/**
 * The moves of the items of one list, and who had seen which. Two who have seen different moves mean different items by one
 * index; where it is uncertain whether they do, they do: a read is then stale too often, and never too seldom.
 */
export class MovedList {
  readonly #moves = new Chains<ListMove>()
  readonly #sights = new Map<Node, OwnSight>()
  readonly #withOwn = new Map<Node, Sight>()
  /** By actor. */
  readonly #last = new Map<number, OwnSight>()
  /** The changes that moved items of the list itself, in the order of arrival. */
  readonly own: Placed[] = []

  constructor(
    readonly list: string,
    private readonly dag: Dag,
    private readonly cutOf: (node: Node) => number,
  ) {}

  add(placed: Placed, { from, removes }: Move): void {
    const item = this.#moveOf(placed)
    if (item.from === NOWHERE) {
      item.owns++
      this.own.push(placed)
    }
    if (removes && !item.removes) item.removals++
    item.from = Math.min(item.from, from)
    item.removes ||= removes
  }

  /** Takes in that items of a list within an item were moved. */
  addInner(placed: Placed): void {
    this.#moveOf(placed).isInner = true
  }

  /** However much a change moved, it is one move: nobody has seen a part of it. */
  #moveOf({ node, place }: Placed): ListMove {
    const { items } = this.#moves.growing(this.dag.actorNumber(node))
    const last = items.at(-1)
    if (last?.node === node) return last
    const { owns, removals } = last ?? { owns: 0, removals: 0 }
    const item = { node, place, from: NOWHERE, removes: false, isInner: false, owns, removals }
    items.push(item)
    return item
  }

  /** What the author of a change had seen before it; the same object while others' moves in it are the same. */
  sightOf(node: Node): OwnSight {
    const known = this.#sights.get(node)
    if (known) return known
    const actor = this.dag.actorNumber(node)
    const cut = this.cutOf(node)
    const { counts } = this.seenBy({ cut, knows: pastOf(this.dag, node, () => false) }, actor)
    const last = this.#last.get(actor)
    const sight = last?.cut === cut && areEqual(last.counts, counts) ? last : { cut, counts, actor }
    this.#sights.set(node, sight)
    this.#last.set(actor, sight)
    return sight
  }

  /** @param except an actor whose moves are left out */
  seenBy({ cut, knows }: Knower, except?: number): Sight {
    const counts = new Map<Chain<ListMove>, number>()
    for (const chain of this.#moves.since(cut)) {
      if (chain.actor === except) continue
      const count = countWhile(chain.items, ({ place, node }) => place <= cut || knows(node))
      if (count > countUpTo(chain, cut)) counts.set(chain, count)
    }
    return { cut, counts }
  }

  /** What a change had seen, and what it did itself: all of that has to be here. */
  sightWith(node: Node): Sight {
    const known = this.#withOwn.get(node)
    if (known) return known
    const others = this.sightOf(node)
    const own = this.#moves.of(others.actor)
    if (own === undefined) return others
    const count = countWhile(own.items, move => move.node <= node)
    const sight = { cut: others.cut, counts: new Map([...others.counts, [own, count] as const]) }
    this.#withOwn.set(node, sight)
    return sight
  }

  /** From which index on something that a writer wrote may be astray for somebody who had seen all moves that are here. */
  lowestFor(writer: OwnSight): number {
    const counts = new Map<Chain<ListMove>, number>()
    for (const chain of this.#moves.since(writer.cut)) counts.set(chain, chain.items.length)
    return this.astrayFrom({ cut: writer.cut, counts }, writer)
  }

  /**
   * From which index on what a writer writes, and somebody who has not seen that reads, may be different items by one index:
   * the reader had seen moves that the writer had not, and these were where they say, or, where both had seen what their
   * authors had not, anywhere.
   */
  astrayFrom(reader: Sight, writer: OwnSight): number {
    let from = NOWHERE
    for (const chain of this.#beyond(reader, writer.cut)) {
      if (from === 0) break
      if (chain.actor === writer.actor) continue
      const unseen = chain.items.slice(countIn(writer, chain), countIn(reader, chain))
      // Those of one actor had seen the more the later they were: what the first had seen, all had.
      const own = unseen.find(move => move.from < NOWHERE)
      const inner = unseen.find(move => move.isInner)
      for (const move of unseen) from = Math.min(from, move.from)
      if (own && this.#isUncertain(own, removalsIn, reader, writer)) return 0
      if (inner && this.#isUncertain(inner, ownsIn, reader, writer)) return 0
    }
    return from
  }

  /** Whether both had seen a move which shifts the indexes that a third one went by, and that its author had not seen. */
  #isUncertain({ node }: ListMove, countOf: CountOf, reader: Sight, writer: OwnSight): boolean {
    const author = this.sightWith(node)
    const hasMore = (chain: Chain<ListMove>, count: number): boolean => {
      const byAuthor = countIn(author, chain)
      return count > byAuthor && countOf(chain, count) > countOf(chain, byAuthor)
    }
    const own = this.#moves.of(writer.actor)
    if (own && hasMore(own, countIn(reader, own))) return true
    for (const chain of this.#beyond(lesser(writer, reader), author.cut)) {
      if (chain !== own && hasMore(chain, Math.min(countIn(reader, chain), countIn(writer, chain))))
        return true
    }
    return false
  }

  /** The chains of which a sight may hold something that came after a place: of many writers beside each other, few. */
  #beyond({ cut, counts }: Sight, place: number): Iterable<Chain<ListMove>> {
    return cut > place ? this.#moves.since(place) : counts.keys()
  }
}

type CountOf = (chain: Chain<ListMove>, count: number) => number

const ownsIn: CountOf = ({ items }, count) => (count === 0 ? 0 : items[count - 1]!.owns)
const removalsIn: CountOf = ({ items }, count) => (count === 0 ? 0 : items[count - 1]!.removals)

/** Of two sights the one that there is less to look through to know what both hold. */
function lesser(one: Sight, other: Sight): Sight {
  if (one.cut !== other.cut) return one.cut < other.cut ? one : other
  return one.counts.size < other.counts.size ? one : other
}

/** How many moves of an actor somebody had seen. */
function countIn({ cut, counts }: Sight, chain: Chain<ListMove>): number {
  return counts.get(chain) ?? countUpTo(chain, cut)
}

function countUpTo({ items }: Chain<ListMove>, cut: number): number {
  return countWhile(items, ({ place }) => place <= cut)
}

function areEqual<K, V>(some: ReadonlyMap<K, V>, others: ReadonlyMap<K, V>): boolean {
  if (some.size !== others.size) return false
  for (const [key, value] of some) if (others.get(key) !== value) return false
  return true
}
