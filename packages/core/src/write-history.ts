import type { Node } from './dag.js'
import { LIMITS } from './limits.js'
import { type Dispute, OpenWrites, type Written } from './open-writes.js'
import { PointerTree, subtree } from './pointer-tree.js'
import type { ViewPasts } from './view-pasts.js'

/** What a change wrote. */
export interface Act {
  readonly node: Node
  readonly writes: readonly Written[]
}

interface Placed extends Act {
  readonly place: number
}

/** An act that has all before it in its past: so what was open before it, its author saw, and nothing else. */
interface Joint {
  readonly node: Node
  readonly index: number
  /** How many acts until then had not seen a write that they touch. */
  readonly unaware: number
}

/**
 * The writes of a view in order, and what each author saw disagree. Told apart by **scopes**, the highest of the pointers
 * at which writes may have disagreed: what is written in one is nothing to what is open in another.
 */
export class WriteHistory {
  readonly #nodes: Node[] = []
  readonly #byPointer = new PointerTree<{ readonly place: number; readonly written: Written }[]>()
  readonly #contested = new PointerTree<true>()
  /** By the pointer of a scope, the places of the acts that wrote in it. */
  readonly #scopes = new Map<string, Set<number>>()

  /** @param contested the pointers at which writes may ever have disagreed */
  constructor(
    private readonly pasts: ViewPasts,
    contested: Iterable<string>,
  ) {
    for (const pointer of contested) this.#contested.at(pointer).value = true
  }

  /** Takes in the next change in order. */
  add(node: Node, pointers: readonly string[]): void {
    if (pointers.length === 0) return
    const place = this.#nodes.push(node) - 1
    for (const [index, pointer] of pointers.entries()) {
      const spot = this.#byPointer.at(pointer)
      spot.value ??= []
      spot.value.push({ place, written: { pointer, rank: place * LIMITS.refs_per_change_max + index } })
      const scope = this.#scopeOf(pointer)
      if (scope === undefined) continue
      const acts = this.#scopes.get(scope)
      if (acts) acts.add(place)
      else this.#scopes.set(scope, new Set([place]))
    }
  }

  /**
   * Calls back with each act whose author saw writes disagree where it wrote: with these disputes, and with those that
   * were left when it had written. More than once for one that wrote in several scopes.
   */
  eachAct(visit: (act: Act, before: readonly Dispute[], after: readonly Dispute[]) => void): void {
    for (const [scope, places] of this.#scopes) {
      const acts = this.#actsIn(scope)
      new ScopePlay(this.pasts, scope, acts).each(places, visit)
    }
  }

  #scopeOf(pointer: string): string | undefined {
    const above = this.#contested.above(pointer).find(({ value }) => value)
    return above?.pointer ?? (this.#contested.within(pointer) && pointer)
  }

  /** What was written in a scope, or above it, in order. */
  #actsIn(scope: string): Placed[] {
    const writes = new Map<number, Written[]>()
    for (const spots of [this.#byPointer.above(scope), subtree(this.#byPointer.within(scope))]) {
      for (const { value } of spots) {
        for (const { place, written } of value ?? []) {
          const known = writes.get(place)
          if (known) known.push(written)
          else writes.set(place, [written])
        }
      }
    }
    return [...writes]
      .sort(([a], [b]) => a - b)
      .map(([place, all]) => ({
        place,
        node: this.#nodes[place]!,
        writes: all.sort((a, b) => a.rank - b.rank),
      }))
  }
}

/** The acts of one scope, played in order. */
class ScopePlay {
  /** Joints that covered the whole scope: for who has one in its past, nothing before it is open. */
  readonly #cuts: Joint[] = []
  /** Joints after which nothing disagreed. */
  readonly #calms: Joint[] = []

  constructor(
    private readonly pasts: ViewPasts,
    private readonly scope: string,
    private readonly acts: readonly Placed[],
  ) {}

  each(
    places: ReadonlySet<number>,
    visit: (act: Act, before: readonly Dispute[], after: readonly Dispute[]) => void,
  ): void {
    const open = new OpenWrites(this.pasts)
    let unaware = 0
    /** The acts that no later one has in its past. */
    let heads: Node[] = []
    for (const [index, act] of this.acts.entries()) {
      const { node, writes } = act
      const isSeen = this.pasts.seenBy(node, heads)
      heads = heads.filter(head => !isSeen(head))
      const isJoint = heads.length === 0
      heads.push(node)
      const isAsked = places.has(act.place)
      const seen = isAsked ? (isJoint ? open : this.#seenBy(index, unaware)) : undefined
      const before = seen?.disputesTouching(writes) ?? []
      if (open.add(node, writes)) unaware++
      if (seen && before.length > 0) {
        if (seen !== open) seen.add(node, writes)
        visit(act, before, seen.disputesTouching(writes))
      }
      if (!isJoint) continue
      const joint = { node, index, unaware }
      if (writes.some(({ pointer }) => pointer.length <= this.scope.length)) this.#cuts.push(joint)
      if (!open.anyDispute) this.#calms.push(joint)
    }
  }

  /** What was open for the author of an act that had not seen all before it; undefined when nothing can have disagreed. */
  #seenBy(index: number, unaware: number): OpenWrites | undefined {
    const { node } = this.acts[index]!
    if (this.#lastBehind(node, this.#calms)?.unaware === unaware) return undefined
    const since = this.acts.slice(this.#lastBehind(node, this.#cuts)?.index ?? 0, index)
    const isSeen = this.pasts.seenBy(
      node,
      since.map(act => act.node),
    )
    const open = new OpenWrites(this.pasts)
    for (const act of since) if (isSeen(act.node)) open.add(act.node, act.writes)
    return open
  }

  /** The last of some joints that is in the past of a change. Each has those before it in its own. */
  #lastBehind(node: Node, joints: readonly Joint[]): Joint | undefined {
    let low = 0
    let high = joints.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const joint = joints[middle]!.node
      if (this.pasts.seenBy(node, [joint])(joint)) low = middle + 1
      else high = middle
    }
    return joints[low - 1]
  }
}
