import type { Node } from '../base/node.js'
import { moveIn } from '../refs/list-marks.js'
import type { ReadRefs } from '../refs/read-refs.js'
import { entry } from '../refs/ref-index.js'
import { pointerOf, type VersionedRef } from '../refs/ref.js'
import { Cuts } from '../graph/cuts.js'
import type { Dag } from '../graph/dag.js'
import { ListMoves } from './list-moves.js'
import type { MovedList, Sight } from './moved-list.js'

/** The moves of items among the writes of a log, whose n-th change is node n. */
export class LogMoves {
  readonly #moves: ListMoves
  readonly #cuts: Cuts
  #cut = 0

  constructor(private readonly dag: Dag) {
    this.#cuts = new Cuts(dag)
    this.#moves = new ListMoves(dag, node => this.#cutAt(node))
  }

  /** Takes in what the last change wrote, refs and ends of lists. */
  add(node: Node, written: readonly string[]): void {
    for (const pointer of written) {
      const move = moveIn(pointer)
      if (move) this.#moves.add({ node, place: node }, move)
    }
  }

  /**
   * What tells of a write the first of some reads that it may be to, though by another index: the reader had seen moves that
   * its author had not.
   * @param deps of the reader
   * @param knows whether they are a change or have it in their past
   */
  astrayOf(
    reads: ReadRefs,
    deps: readonly Node[],
    knows: (node: Node) => boolean,
  ): (wrote: string, writer: Node) => VersionedRef | undefined {
    const sights = new Map<MovedList, Sight>()
    const sightIn = (moved: MovedList): Sight => {
      const cut = Math.max(...deps.map(dep => this.#cutAt(dep)))
      return entry(sights, moved, () => moved.seenBy({ cut, knows }))
    }
    return (wrote, writer) => {
      for (const { moved, index } of this.#moves.levels(pointerOf(wrote) ?? '')) {
        const from = moved.astrayFrom(sightIn(moved), moved.sightOf(writer))
        if (from > index) continue
        for (const [read, at] of reads.ofItems(moved.list)) if (from <= at) return read
      }
      return undefined
    }
  }

  /** Nobody has asked about most logs yet. */
  #cutAt(node: Node): number {
    for (; this.#cut < this.dag.size; this.#cut++) this.#cuts.add(this.#cut, this.#cut)
    return this.#cuts.at(node)
  }
}
