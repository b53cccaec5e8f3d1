import { type Chain, Chains, countWhile } from '../base/chains.js'
import type { Node } from '../base/node.js'
import type { Dag } from '../graph/dag.js'
import type { Knower, MovedList, OwnSight, Sight } from './moved-list.js'
import type { Write } from './write.js'

/** A write to an item of a list, or a move of its items from one on. */
export interface ItemWrite {
  readonly write: Write
  readonly at: number
  readonly isMove: boolean
}

/** The writes of one actor that had seen the same moves of others. */
interface Run {
  readonly sight: OwnSight
  readonly writes: ItemWrite[]
  /** Of the last one. */
  node: Node
  place: number
  /** The lowest index of a move, and the highest of all. */
  lowestMove: number
  highest: number
}

/** Who reads an item, and what that one has seen. */
export interface ItemReader extends Knower {
  readonly index: number
  readonly sight: Sight
}

/** What was written to the items of a list that have moved, by who had seen which moves: most is looked at by the run. */
export class ItemWrites {
  readonly #runs = new Chains<Run>()
  /** What was found for the sight that asked last, which asks of one run after the other, and once for each of its reads. */
  #asked: { readonly sight: Sight; readonly froms: Map<OwnSight, number> } | undefined

  constructor(
    readonly moved: MovedList,
    private readonly dag: Dag,
  ) {}

  add(item: ItemWrite): void {
    const { node, place } = item.write
    const { items } = this.#runs.growing(this.dag.actorNumber(node))
    const sight = this.moved.sightOf(node)
    let run = items.at(-1)
    if (run?.sight !== sight) {
      run = { sight, writes: [], node, place, lowestMove: Number.POSITIVE_INFINITY, highest: 0 }
      items.push(run)
    }
    run.writes.push(item)
    run.node = node
    run.place = place
    if (item.isMove) run.lowestMove = Math.min(run.lowestMove, item.at)
    run.highest = Math.max(run.highest, item.at)
  }

  /** What moved or may have altered what somebody read, and was not seen, after a place. */
  *touching(reader: ItemReader, after: number): Generator<ItemWrite> {
    for (const chain of this.#runs.since(after)) {
      const unseen = this.#unseen(chain, reader, after)
      for (const [run, from] of unseen) {
        for (const item of run.writes) {
          const { node, place } = item.write
          if (place > after && touches(item, reader.index, from) && !isKnown(reader, node, place)) yield item
        }
      }
    }
  }

  /** The runs that may hold something unseen which touches, each with the index from which on it is astray. */
  #unseen({ items }: Chain<Run>, reader: ItemReader, after: number): (readonly [Run, number])[] {
    const near: (readonly [Run, number])[] = []
    for (let at = items.length - 1; at >= 0 && items[at]!.place > after; at--) {
      const run = items[at]!
      const from = this.#astrayFrom(reader.sight, run.sight)
      const isNear = run.lowestMove <= reader.index || (from <= reader.index && from <= run.highest)
      if (isNear) near.push([run, from])
    }
    const seen = countWhile(near.reverse(), ([{ node, place }]) => isKnown(reader, node, place))
    return near.slice(seen)
  }

  #astrayFrom(reader: Sight, writer: OwnSight): number {
    if (this.#asked?.sight !== reader) this.#asked = { sight: reader, froms: new Map() }
    const { froms } = this.#asked
    const known = froms.get(writer)
    if (known !== undefined) return known
    const from = this.moved.astrayFrom(reader, writer)
    froms.set(writer, from)
    return from
  }
}

function touches({ at, isMove }: ItemWrite, index: number, from: number): boolean {
  return (isMove && at <= index) || (from <= index && from <= at)
}

function isKnown({ cut, knows }: Knower, node: Node, place: number): boolean {
  return place <= cut || knows(node)
}
