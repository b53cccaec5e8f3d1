import { IntList } from '../base/int-list.js'
import { NO_NODE, type Node } from '../base/node.js'
import { Cuts } from './cuts.js'
import type { Dag } from './dag.js'
import { pastOf } from './past-walk.js'
import type { View } from './view.js'

/**
 * Whether changes of a view are in the past of another one, by the cuts of the view: unlike those of the whole context
 * they do not end while a branch that it does not show is open.
 */
export class ViewPasts {
  #caughtUp = 0
  /** By node: its place in the view. */
  readonly #places = new IntList()
  readonly #cuts: Cuts

  constructor(
    private readonly dag: Dag,
    private readonly view: View,
  ) {
    this.#cuts = new Cuts(dag)
  }

  /** The place of a change in the view. */
  placeOf(node: Node): number {
    this.#catchUp()
    return this.#places.at(node)
  }

  /** The place of the last cut that a change is or has in its past; -1 of none. */
  cutOf(node: Node): number {
    this.#catchUp()
    return this.#cuts.at(node)
  }

  /** Which of some changes are in the past of another: by their places, or by one walk for all that these do not tell of. */
  seenBy(node: Node, others: readonly Node[]): (other: Node) => boolean {
    this.#catchUp()
    const cut = this.#cuts.at(node)
    const isKnown = (other: Node): boolean => this.#places.at(other) <= cut || this.dag.isOwnPast(other, node)
    const open = others.filter(other => !isKnown(other))
    if (open.length === 0) return () => true
    const isBehind = this.dag.behind(open, [node])
    return other => isKnown(other) || isBehind(other)
  }

  /** As `seenBy`, where what is asked about depends on what was answered. */
  pastOf(node: Node): (other: Node) => boolean {
    this.#catchUp()
    const cut = this.#cuts.at(node)
    return pastOf(this.dag, node, other => this.#places.at(other) <= cut)
  }

  #catchUp(): void {
    for (; this.#caughtUp < this.view.size; this.#caughtUp++) {
      const node = this.view.arrived.at(this.#caughtUp)
      while (this.#places.length <= node) this.#places.push(NO_NODE)
      this.#places.set(node, this.#caughtUp)
      this.#cuts.add(node, this.#caughtUp)
    }
  }
}

const PASTS = new WeakMap<View, ViewPasts>()

/** Those of a view, kept up to date as it grows. */
export function pastsOf(dag: Dag, view: View): ViewPasts {
  const known = PASTS.get(view)
  if (known) return known
  const pasts = new ViewPasts(dag, view)
  PASTS.set(view, pasts)
  return pasts
}
