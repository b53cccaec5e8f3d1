import type { Node } from '../base/node.js'
import { isBelow, PointerTree, type Spot, subtree } from '../base/pointer-tree.js'
import { pastsOf, type ViewPasts } from '../graph/view-pasts.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'
import { LIST_END, type PastStates, placesOf } from './places.js'

export interface Writer {
  readonly place: string
  readonly node: Node
}

/** A place at which, or below which, writes disagree, and these writes, in no particular order. */
export interface Dispute {
  readonly place: string
  readonly writers: readonly Writer[]
}

/** A dispute that a write would take writers from, if its author had seen all that is open. */
export interface Settling {
  readonly place: string
  /** Who disagrees now. */
  readonly before: () => readonly Writer[]
  /** Who would still disagree, some of them more than once: nearly always two of them are enough to know. */
  readonly left: () => Iterable<Writer>
}

/** What held at a place before a change was taken in. */
interface Held {
  readonly place: string
  /** Undefined above what the change wrote: nothing is covered there. */
  readonly open: Open | undefined
  readonly disputed: boolean
}

/** What it takes to take a change back. */
export type Undo = readonly Held[]

/** The writes to one place that are open. */
interface Open {
  nodes: Node[]
}

/**
 * For each place the writes that no later write to it, or above it, has in its past (MRG-2), kept up to date one change
 * at a time. A write touches what is open on its own way and below it, and nothing else.
 */
export class OpenWrites {
  readonly #tree = new PointerTree<Open>()
  /** Where writes may disagree: nowhere else do they. */
  readonly #disputed = new Set<Spot<Open>>()

  constructor(
    private readonly pasts: ViewPasts,
    /** Collects the places at which writes may ever have disagreed. */
    private readonly contested?: Set<string>,
  ) {}

  /**
   * Takes in what a change writes; all that it depends on has been taken in.
   * @returns whether a write that it had not seen touches one of its own
   */
  add(node: Node, places: readonly string[]): boolean {
    const { above, within } = this.#touched(places)
    const isSeen = this.pasts.pastOf(node)
    for (const spot of within) this.#cover(spot, isSeen)
    let disputed = false
    for (const spot of above) {
      if (!spot.value || spot.value.nodes.every(isSeen)) continue
      this.#dispute(spot)
      disputed = true
    }
    // Of what it covers nothing is left but what it has not seen.
    const contested = places.map(place => this.#tree.within(place) !== undefined)
    for (const [index, place] of places.entries()) {
      const spot = this.#tree.at(place)
      if (spot.value === undefined) spot.value = { nodes: [node] }
      else if (spot.value.nodes.at(-1) !== node) spot.value.nodes.push(node)
      if (!contested[index]) continue
      this.#dispute(spot)
      disputed = true
    }
    return disputed
  }

  /** As `add`, of a change that may be taken back, as long as none that came after it is here. */
  takeIn(node: Node, places: readonly string[]): Undo {
    const { above, within } = this.#touched(places)
    const held: Held[] = []
    for (const spot of above) {
      if (this.#disputed.has(spot)) held.push({ place: spot.pointer, open: undefined, disputed: true })
    }
    for (const spot of within) {
      const { pointer: place, value } = spot
      if (value) held.push({ place, open: { ...value }, disputed: this.#disputed.has(spot) })
    }
    this.add(node, places)
    return held
  }

  /** Takes back the change that came last. */
  takeBack(node: Node, places: readonly string[], undo: Undo): void {
    for (const place of places) {
      const spot = this.#tree.within(place)
      // What is named twice was written once.
      if (spot?.pointer !== place || spot.value?.nodes.at(-1) !== node) continue
      spot.value.nodes.pop()
      if (spot.value.nodes.length === 0) this.#clear(spot)
    }
    for (const { place, open, disputed } of undo) {
      const spot = this.#tree.at(place)
      if (open) spot.value = open
      if (disputed) this.#disputed.add(spot)
    }
  }

  /** Where writes disagree, in no particular order. */
  disputes(): Dispute[] {
    return [...this.#disputed].flatMap(spot => this.#disputeAt(spot) ?? [])
  }

  /** The disputes that writes would take writers from, were their author one who has seen all that is here. */
  settledBy(places: readonly string[]): Settling[] {
    if (this.#disputed.size === 0) return []
    const { above, within } = this.#touched(places)
    const settled: Settling[] = []
    for (const spot of new Set([...above, ...within])) {
      if (!this.#disputed.has(spot)) continue
      const { pointer: place } = spot
      const before = () => this.#disagreeing(spot)
      if (within.has(spot)) settled.push({ place, before, left: () => NONE })
      else if (this.#loses(spot, within))
        settled.push({ place, before, left: () => this.#rivalsAt(spot, within) })
    }
    return settled
  }

  /** Whether writes disagree anywhere. */
  get anyDispute(): boolean {
    for (const spot of this.#disputed) {
      for (const _ of this.#rivalsAt(spot)) return true
      this.#disputed.delete(spot)
    }
    return false
  }

  /** The spots strictly above what is written, and those there and below: one may be both. */
  #touched(places: readonly string[]): Record<'above' | 'within', ReadonlySet<Spot<Open>>> {
    const above = new Set<Spot<Open>>()
    const within = new Set<Spot<Open>>()
    for (const place of places) {
      for (const spot of this.#tree.above(place)) above.add(spot)
      const top = this.#tree.within(place)
      if (top && !within.has(top)) for (const spot of subtree(top)) within.add(spot)
    }
    return { above, within }
  }

  #disputeAt(spot: Spot<Open>): Dispute | undefined {
    const writers = this.#disagreeing(spot)
    if (writers.length > 1) return { place: spot.pointer, writers }
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
    this.#clear(spot)
  }

  #clear(spot: Spot<Open>): void {
    this.#disputed.delete(spot)
    this.#tree.clear(spot)
  }

  /** Whether some of what would be covered is at odds with what was written at a spot above. */
  #loses({ pointer, value }: Spot<Open>, covered: ReadonlySet<Spot<Open>>): boolean {
    for (const spot of covered) {
      if (!isBelow(spot.pointer, pointer)) continue
      if (spot.value?.nodes.some(node => this.#unseen(value!.nodes, node).length > 0)) return true
    }
    return false
  }

  /** As `#disagreeing`, as they are found, and without those of some spots below. */
  *#rivalsAt(spot: Spot<Open>, without: ReadonlySet<Spot<Open>> = NO_SPOTS): Generator<Writer> {
    const { pointer: place, value, children } = spot
    const own = value?.nodes ?? NONE
    if (own.length > 1 && !place.endsWith(LIST_END)) for (const node of own) yield { place, node }
    for (const child of children?.values() ?? []) {
      for (const below of subtree(child)) {
        if (without.has(below)) continue
        for (const node of below.value?.nodes ?? []) {
          const rivals = this.#unseen(own, node)
          if (rivals.length > 0) yield { place: below.pointer, node }
          for (const rival of rivals) yield { place, node: rival }
        }
      }
    }
  }

  /** Writers of a place, and writers below it, as far as they are concurrent to one of the former. */
  #disagreeing({ pointer: place, value, children }: Spot<Open>): Writer[] {
    if (value === undefined) return []
    const own = value.nodes
    const taking = new Set(own.length > 1 && !place.endsWith(LIST_END) ? own : [])
    const below: Writer[] = []
    const known = new Map<Node, readonly Node[]>()
    for (const child of children?.values() ?? []) {
      for (const spot of subtree(child)) {
        for (const node of spot.value?.nodes ?? []) {
          const rivals = known.get(node) ?? this.#unseen(own, node)
          known.set(node, rivals)
          if (rivals.length === 0) continue
          below.push({ place: spot.pointer, node })
          for (const rival of rivals) taking.add(rival)
        }
      }
    }
    return [...[...taking].map(node => ({ place, node })), ...below]
  }

  #unseen(writers: readonly Node[], node: Node): readonly Node[] {
    const others = writers.filter(writer => writer !== node)
    const isSeen = this.pasts.seenBy(node, others)
    return others.filter(writer => !isSeen(writer))
  }
}

const NONE: readonly never[] = []
const NO_SPOTS: ReadonlySet<never> = new Set()

/** What is kept of a view, which grows, and is asked again each time. */
interface Kept {
  readonly open: OpenWrites
  /** The places at which writes may ever have disagreed. */
  readonly contested: ReadonlySet<string>
  readonly pasts: ViewPasts
  /** The form that the states had from which places were told (applied-states.ts). */
  readonly form: number
  caughtUp: number
}

const KEPT = new WeakMap<View, Kept>()

/** The open writes of a view, kept up to date as it grows. @param past of the view */
export function openWritesOf(set: ChangeSet, view: View, past: PastStates): Omit<Kept, 'caughtUp' | 'form'> {
  const known = KEPT.get(view)
  const kept = known?.form === set.states.form ? known : newKept(set, view)
  const places = placesOf(set)
  for (; kept.caughtUp < view.size; kept.caughtUp++) {
    const node = view.arrived.at(kept.caughtUp)
    if (set.change(node).header.writes.length > 0) kept.open.add(node, places.of(node, past))
  }
  return kept
}

function newKept({ dag, states }: ChangeSet, view: View): Kept {
  const contested = new Set<string>()
  const pasts = pastsOf(dag, view)
  const open = new OpenWrites(pasts, contested)
  const kept = { open, contested, pasts, form: states.form, caughtUp: 0 }
  KEPT.set(view, kept)
  return kept
}
