import type { Placed } from '../base/chains.js'
import type { Node } from '../base/node.js'
import { PointerTree, type Spot, subtree } from '../base/pointer-tree.js'
import { indexIn, type Move } from '../refs/list-marks.js'
import type { Dag } from '../graph/dag.js'
import { MovedList } from './moved-list.js'

/** A list whose items have moved, and an item of it that a pointer goes by, or from which on a mark says that they moved. */
export interface Level {
  readonly moved: MovedList
  readonly index: number
}

/** The moves among the writes of a view, by list. */
export class ListMoves {
  readonly #lists = new PointerTree<MovedList>()

  constructor(
    private readonly dag: Dag,
    /** The place up to which all that came is behind a change. */
    private readonly cutOf: (node: Node) => number,
  ) {}

  /** Takes in a move of the change that has come last. @returns the list, when it is its first one */
  add(placed: Placed, move: Move): MovedList | undefined {
    const { list } = move
    const spot = this.#lists.at(list)
    const isFirst = spot.value === undefined
    spot.value ??= new MovedList(list, this.dag, this.cutOf)
    if (isFirst) for (const earlier of this.#within(spot)) spot.value.addInner(earlier)
    spot.value.add(placed, move)
    for (const { moved } of this.levels(list)) moved.addInner(placed)
    return isFirst ? spot.value : undefined
  }

  /** The lists with moves that a pointer goes through, or that a mark is of, from the outermost on. */
  levels(pointer: string): Level[] {
    const levels: Level[] = []
    for (const { value: moved } of this.#lists.above(pointer)) {
      const index = moved && indexIn(moved.list, pointer)
      if (index !== undefined) levels.push({ moved: moved!, index })
    }
    return levels
  }

  /** The changes that moved items of lists within the items of a list, in the order of arrival. */
  #within({ pointer: list, children }: Spot<MovedList>): Placed[] {
    const below = [...(children?.values() ?? [])].flatMap(child => [...subtree(child)])
    const inner = below.flatMap(({ value }) =>
      value && indexIn(list, value.list) !== undefined ? value.own : [],
    )
    return inner.sort((a, b) => a.place - b.place)
  }
}
