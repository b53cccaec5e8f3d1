import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { PointerTree, type Spot, subtree } from './pointer-tree.js'
import { pointersOf } from './ref.js'
import type { View } from './view.js'
import { pastsOf, type ViewPasts } from './view-pasts.js'

/** The end of a list, as RFC 6902 writes it: an insertion. Concurrent insertions both stay, so they never conflict. */
export const LIST_END = '/-'

/** A pointer that a change wrote. */
export interface Written {
  readonly pointer: string
  /** Its place among all that is written, by which what is open is told in order. */
  readonly rank: number
}

export interface Writer {
  readonly pointer: string
  readonly node: Node
}

/** A pointer at which, or below which, writes disagree, and these writes, in no particular order. */
export interface Dispute {
  readonly pointer: string
  readonly rank: number
  readonly writers: readonly Writer[]
}

/** The writes to one pointer that are open. */
interface Open {
  /** Of the write that was the first of them, or of those that it saw covered one by one. */
  readonly rank: number
  nodes: Node[]
}

/**
 * For each pointer the writes that no later write to it, or above it, has in its past (MRG-2), kept up to date one change
 * at a time. A write touches what is open on its own way and below it, and nothing else.
 */
export class OpenWrites {
  readonly #tree = new PointerTree<Open>()
  /** Where writes may disagree: nowhere else do they. */
  readonly #disputed = new Set<Spot<Open>>()

  constructor(
    private readonly pasts: ViewPasts,
    /** Collects the pointers at which writes may ever have disagreed. */
    private readonly contested?: Set<string>,
  ) {}

  /**
   * Takes in what a change writes; all that it depends on has been taken in.
   * @returns whether a write that it had not seen touches one of its own
   */
  add(node: Node, writes: readonly Written[]): boolean {
    const { above, within } = this.#touched(writes)
    const open = new Set<Node>()
    for (const spots of [above, within]) {
      for (const { value } of spots) if (value) for (const writer of value.nodes) open.add(writer)
    }
    const isSeen = this.pasts.seenBy(node, [...open])
    for (const spot of within) this.#cover(spot, isSeen)
    let disputed = false
    for (const spot of above) {
      if (!spot.value || spot.value.nodes.every(isSeen)) continue
      this.#dispute(spot)
      disputed = true
    }
    // Of what it covers nothing is left but what it has not seen.
    const contested = writes.map(({ pointer }) => this.#tree.within(pointer) !== undefined)
    for (const [index, { pointer, rank }] of writes.entries()) {
      const spot = this.#tree.at(pointer)
      if (spot.value === undefined) spot.value = { rank, nodes: [node] }
      else if (spot.value.nodes.at(-1) !== node) spot.value.nodes.push(node)
      if (!contested[index]) continue
      this.#dispute(spot)
      disputed = true
    }
    return disputed
  }

  /** Where writes disagree, in no particular order. */
  disputes(): Dispute[] {
    return [...this.#disputed].flatMap(spot => this.#disputeAt(spot) ?? [])
  }

  /** As `disputes`, of those alone that what is written touches. */
  disputesTouching(writes: readonly Written[]): Dispute[] {
    if (this.#disputed.size === 0) return []
    const { above, within } = this.#touched(writes)
    return [...new Set([...above, ...within])].flatMap(
      spot => (this.#disputed.has(spot) && this.#disputeAt(spot)) || [],
    )
  }

  /** Whether writes disagree anywhere. */
  get anyDispute(): boolean {
    for (const spot of this.#disputed) if (this.#disputeAt(spot)) return true
    return false
  }

  /** The open writes at a pointer, above it or below it: each change once. */
  touching(pointer: string): Node[] {
    const nodes = new Set<Node>()
    for (const { value } of this.#tree.above(pointer))
      if (value) for (const node of value.nodes) nodes.add(node)
    for (const { value } of subtree(this.#tree.within(pointer))) {
      if (value) for (const node of value.nodes) nodes.add(node)
    }
    return [...nodes]
  }

  /** The spots strictly above what is written, and those there and below: one may be both. */
  #touched(writes: readonly Written[]): Record<'above' | 'within', ReadonlySet<Spot<Open>>> {
    const above = new Set<Spot<Open>>()
    const within = new Set<Spot<Open>>()
    for (const { pointer } of writes) {
      for (const spot of this.#tree.above(pointer)) above.add(spot)
      const top = this.#tree.within(pointer)
      if (top && !within.has(top)) for (const spot of subtree(top)) within.add(spot)
    }
    return { above, within }
  }

  #disputeAt(spot: Spot<Open>): Dispute | undefined {
    const writers = this.#disagreeing(spot)
    if (writers.length > 1) return { pointer: spot.pointer, rank: spot.value!.rank, writers }
    this.#disputed.delete(spot)
    return undefined
  }

  #dispute(spot: Spot<Open>): void {
    this.#disputed.add(spot)
    this.contested?.add(spot.pointer)
  }

  #cover(spot: Spot<Open>, isSeen: (writer: Node) => boolean): void {
    if (spot.value === undefined) return
    const left = spot.value.nodes.filter(writer => !isSeen(writer))
    if (left.length > 0) {
      spot.value.nodes = left
      return
    }
    this.#disputed.delete(spot)
    this.#tree.clear(spot)
  }

  /** Writers of a pointer, and writers below it, as far as they are concurrent to one of the former. */
  #disagreeing({ pointer, value, children }: Spot<Open>): Writer[] {
    if (value === undefined) return []
    const own = value.nodes
    const taking = new Set(own.length > 1 && !pointer.endsWith(LIST_END) ? own : [])
    const below: Writer[] = []
    const known = new Map<Node, readonly Node[]>()
    for (const child of children?.values() ?? []) {
      for (const spot of subtree(child)) {
        for (const node of spot.value?.nodes ?? []) {
          const rivals = known.get(node) ?? this.#unseen(own, node)
          known.set(node, rivals)
          if (rivals.length === 0) continue
          below.push({ pointer: spot.pointer, node })
          for (const rival of rivals) taking.add(rival)
        }
      }
    }
    return [...[...taking].map(node => ({ pointer, node })), ...below]
  }

  #unseen(writers: readonly Node[], node: Node): readonly Node[] {
    const others = writers.filter(writer => writer !== node)
    const isSeen = this.pasts.seenBy(node, others)
    return others.filter(writer => !isSeen(writer))
  }
}

/** What is kept of a view, which grows, and is asked again each time. */
interface Kept {
  readonly open: OpenWrites
  /** The pointers at which writes may ever have disagreed. */
  readonly contested: ReadonlySet<string>
  readonly pasts: ViewPasts
  caughtUp: number
}

const KEPT = new WeakMap<View, Kept>()

/** The open writes of a view, kept up to date as it grows. */
export function openWritesOf(set: ChangeSet, view: View): Omit<Kept, 'caughtUp'> {
  const kept = KEPT.get(view) ?? newKept(set, view)
  for (; kept.caughtUp < view.size; kept.caughtUp++) {
    const node = view.arrived.at(kept.caughtUp)
    const { writes } = set.change(node).header
    if (writes.length === 0) continue
    kept.open.add(
      node,
      pointersOf(writes).map((pointer, rank) => ({ pointer, rank })),
    )
  }
  return kept
}

function newKept({ dag }: ChangeSet, view: View): Kept {
  const contested = new Set<string>()
  const pasts = pastsOf(dag, view)
  const kept = { open: new OpenWrites(pasts, contested), contested, pasts, caughtUp: 0 }
  KEPT.set(view, kept)
  return kept
}
