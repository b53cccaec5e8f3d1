import type { Node } from '../base/node.js'
import type { Dag } from '../graph/dag.js'
import type { ViewPasts } from '../graph/view-pasts.js'
import { OpenWrites, type Settling, type Undo } from './open-writes.js'

/** What a change wrote, and where it stands in the order of the context. */
export interface Act {
  readonly node: Node
  readonly number: number
  readonly places: readonly string[]
}

/** The acts of one actor. Who has seen one has seen those before it, so that what is taken in of them is told by a number. */
interface Row {
  readonly acts: Act[]
  taken: number
}

interface Taken {
  readonly act: Act
  readonly row: Row
  readonly undo: Undo
  /** The heads that it has in its past. */
  readonly behind: readonly Node[]
}

/**
 * What is open among the acts that one author had seen, moved on from author to author: what the next had not seen is taken
 * back, what it had seen besides is taken in. In the order of the context neighbours know nearly the same, where to begin
 * anew for each would cost as much as all that came before.
 */
export class SeenWrites {
  readonly #open: OpenWrites
  readonly #rows = new Map<number, Row>()
  /** The rows of which something is not taken in. */
  readonly #waiting = new Set<Row>()
  readonly #taken: Taken[] = []
  /** Of what is taken in, the acts that no other one has in its past. */
  readonly #heads = new Set<Node>()

  constructor(
    private readonly dag: Dag,
    private readonly pasts: ViewPasts,
  ) {
    this.#open = new OpenWrites(pasts)
  }

  /** Makes the next act in order known, for those whose authors have seen it. */
  add(act: Act): void {
    const actor = this.dag.actorNumber(act.node)
    const row = this.#rows.get(actor) ?? { acts: [], taken: 0 }
    this.#rows.set(actor, row)
    row.acts.push(act)
    this.#waiting.add(row)
  }

  /** The disputes which the author of an act had seen, and took writers from. */
  settledBy({ node, places }: Act): Settling[] {
    const isSeen = this.pasts.pastOf(node)
    this.#takeBackTo(isSeen)
    const more: [Act, Row][] = []
    for (const row of this.#waiting) {
      for (let at = row.taken; at < row.acts.length && isSeen(row.acts[at]!.node); at++)
        more.push([row.acts[at]!, row])
    }
    for (const [act, row] of more.sort(([a], [b]) => a.number - b.number)) this.#take(act, row)
    return this.#open.settledBy(places)
  }

  #take(act: Act, row: Row): void {
    const { node, places } = act
    const heads = [...this.#heads]
    const behind = heads.filter(this.pasts.seenBy(node, heads))
    for (const head of behind) this.#heads.delete(head)
    this.#heads.add(node)
    this.#taken.push({ act, row, undo: this.#open.takeIn(node, places), behind })
    row.taken++
    if (row.taken === row.acts.length) this.#waiting.delete(row)
  }

  /** Until all that is left was seen. */
  #takeBackTo(isSeen: (node: Node) => boolean): void {
    const unseenIn = (nodes: readonly Node[]): number => nodes.filter(node => !isSeen(node)).length
    for (let unseen = unseenIn([...this.#heads]); unseen > 0; ) {
      const { act, row, undo, behind } = this.#taken.pop()!
      this.#open.takeBack(act.node, act.places, undo)
      row.taken--
      this.#waiting.add(row)
      this.#heads.delete(act.node)
      for (const head of behind) this.#heads.add(head)
      unseen += unseenIn(behind) - unseenIn([act.node])
    }
  }
}
