import type { Node } from '../base/node.js'
import { PointerTree, subtree } from '../base/pointer-tree.js'
import type { Dag } from '../graph/dag.js'
import type { ViewPasts } from '../graph/view-pasts.js'
import { OpenWrites, type Settling } from './open-writes.js'
import { type Act, SeenWrites } from './seen-writes.js'

/** An act that has all before it in its past, and after which nothing disagreed. */
interface Calm {
  readonly node: Node
  /** How many acts until then had not seen a write that they touch. */
  readonly unaware: number
}

/**
 * The writes of a view in order, and what each author saw disagree. Told apart by **scopes**, the highest of the places
 * at which writes may have disagreed: what is written in one is nothing to what is open in another.
 */
export class WriteHistory {
  readonly #nodes: Node[] = []
  readonly #byPlace = new PointerTree<number[]>()
  readonly #contested = new PointerTree<true>()
  /** By the place of a scope, the numbers of the acts that wrote in it. */
  readonly #scopes = new Map<string, Set<number>>()

  /** @param contested the places at which writes may ever have disagreed */
  constructor(
    private readonly dag: Dag,
    private readonly pasts: ViewPasts,
    contested: Iterable<string>,
  ) {
    for (const place of contested) this.#contested.at(place).value = true
  }

  /** Takes in the next change in order. */
  add(node: Node, places: readonly string[]): void {
    if (places.length === 0) return
    const number = this.#nodes.push(node) - 1
    for (const place of places) {
      const spot = this.#byPlace.at(place)
      spot.value ??= []
      spot.value.push(number)
      const scope = this.#scopeOf(place)
      if (scope === undefined) continue
      const acts = this.#scopes.get(scope)
      if (acts) acts.add(number)
      else this.#scopes.set(scope, new Set([number]))
    }
  }

  /**
   * Calls back with each dispute that the author of a change had seen, and took writers from. Nothing that it is told may be
   * kept for later.
   */
  eachSettling(visit: (node: Node, settling: Settling) => void): void {
    for (const [scope, numbers] of this.#scopes) {
      new ScopePlay(this.dag, this.pasts, this.#actsIn(scope)).each(numbers, visit)
    }
  }

  #scopeOf(place: string): string | undefined {
    const above = this.#contested.above(place).find(({ value }) => value)
    return above?.pointer ?? (this.#contested.within(place) && place)
  }

  /** What was written in a scope, or above it, in order. */
  #actsIn(scope: string): Act[] {
    const written = new Map<number, string[]>()
    for (const spots of [this.#byPlace.above(scope), subtree(this.#byPlace.within(scope))]) {
      for (const { pointer: place, value } of spots) {
        for (const number of value ?? []) {
          const known = written.get(number)
          if (known) known.push(place)
          else written.set(number, [place])
        }
      }
    }
    return [...written]
      .sort(([a], [b]) => a - b)
      .map(([number, places]) => ({ number, node: this.#nodes[number]!, places }))
  }
}

/** The acts of one scope, played in order. */
class ScopePlay {
  readonly #calms: Calm[] = []
  readonly #seen: SeenWrites

  constructor(
    dag: Dag,
    private readonly pasts: ViewPasts,
    private readonly acts: readonly Act[],
  ) {
    this.#seen = new SeenWrites(dag, pasts)
  }

  each(numbers: ReadonlySet<number>, visit: (node: Node, settling: Settling) => void): void {
    /** Of all acts until then: what the author of a joint had seen. */
    const open = new OpenWrites(this.pasts)
    let unaware = 0
    /** The acts that no later one has in its past. */
    let heads: Node[] = []
    for (const act of this.acts) {
      const { node, places } = act
      const isSeen = this.pasts.seenBy(node, heads)
      heads = heads.filter(head => !isSeen(head))
      const isJoint = heads.length === 0
      heads.push(node)
      if (numbers.has(act.number)) {
        const settled = isJoint ? open.settledBy(places) : this.#settledBy(act, unaware)
        for (const settling of settled) visit(node, settling)
      }
      if (open.add(node, places)) unaware++
      this.#seen.add(act)
      if (isJoint && !open.anyDispute) this.#calms.push({ node, unaware })
    }
  }

  /** Of an act that had not seen all before it. */
  #settledBy(act: Act, unaware: number): readonly Settling[] {
    const calm = this.#lastCalmBehind(act.node)
    return calm?.unaware === unaware ? NONE : this.#seen.settledBy(act)
  }

  /** Each calm has those before it in its own past. */
  #lastCalmBehind(node: Node): Calm | undefined {
    let low = 0
    let high = this.#calms.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const calm = this.#calms[middle]!.node
      if (this.pasts.seenBy(node, [calm])(calm)) low = middle + 1
      else high = middle
    }
    return this.#calms[low - 1]
  }
}

const NONE: readonly never[] = []
