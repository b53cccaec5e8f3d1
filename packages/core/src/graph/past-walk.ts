import { NodeMarks } from '../base/node-marks.js'
import type { Node } from '../base/node.js'

const FEW_QUESTIONS = 4
/** So few places to go on from can be looked at for each question. */
const OFTEN_MAX = 16

/** What is asked of a `Dag` on the way. */
export interface Causes {
  lamport(node: Node): number
  actorNumber(node: Node): number
  runStart(node: Node): Node
  depCount(node: Node): number
  dep(node: Node, index: number): Node
  isOwnPast(earlier: Node, node: Node): boolean
  isAncestor(ancestor: Node, node: Node): boolean
}

/**
 * Whether changes are in the past of some others: one walk for all that is asked, by runs of one actor, and only as deep
 * as what was asked about lies.
 */
export class PastWalk {
  /** By actor, its latest change that was met. */
  readonly #latest = new Map<number, Node>()
  #floor = Number.POSITIVE_INFINITY
  #top = 0
  /** Where the walk goes on when something below its floor is asked about. */
  #below: Node[] = []

  /** @param walked runs that were walked before, by whoever asks about nothing that was met then */
  constructor(
    private readonly dag: Causes,
    others: readonly Node[],
    private readonly walked = new NodeMarks(),
  ) {
    for (const other of others) {
      this.#top = Math.max(this.#top, dag.lamport(other))
      this.#pushDeps(other, this.#below)
    }
  }

  has(node: Node): boolean {
    const { dag } = this
    const lamport = dag.lamport(node)
    if (lamport >= this.#top) return false
    if (lamport < this.#floor && !this.#met(node)) this.reach(lamport - this.#further(lamport))
    return this.#met(node)
  }

  /** Goes on to all that lies no deeper than this. */
  reach(floor: number): void {
    if (floor >= this.#floor) return
    const { dag } = this
    const stack = this.#below
    const below: Node[] = []
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (dag.lamport(next) < floor) {
        below.push(next)
        continue
      }
      const actor = dag.actorNumber(next)
      const latest = this.#latest.get(actor)
      if (latest === undefined || next > latest) this.#latest.set(actor, next)
      const start = dag.runStart(next)
      if (this.walked.has(start)) continue
      this.walked.add(start)
      this.#pushDeps(start, stack)
    }
    this.#below = below
    this.#floor = floor
  }

  /** So much deeper goes a walk that has much to look at each time: as deep again, so that it seldom goes on. */
  #further(lamport: number): number {
    return this.#below.length > OFTEN_MAX ? this.#top - lamport : 0
  }

  #met(node: Node): boolean {
    const latest = this.#latest.get(this.dag.actorNumber(node))
    return latest !== undefined && node <= latest
  }

  #pushDeps(node: Node, to: Node[]): void {
    for (let i = this.dag.depCount(node) - 1; i >= 0; i--) to.push(this.dag.dep(node, i))
  }
}

/**
 * Whether changes are in the past of one: asked one by one, of one that reads or writes little, and else with one walk.
 * @param isOld whether a change is known to be there without looking
 */
export function pastOf(
  dag: Causes,
  node: Node,
  isOld: (earlier: Node) => boolean,
): (earlier: Node) => boolean {
  let asked = 0
  let walk: PastWalk | undefined
  return earlier => {
    if (isOld(earlier) || dag.isOwnPast(earlier, node)) return true
    if (dag.lamport(earlier) >= dag.lamport(node)) return false
    if (walk === undefined && asked++ < FEW_QUESTIONS) return dag.isAncestor(earlier, node)
    walk ??= new PastWalk(dag, [node])
    return walk.has(earlier)
  }
}
