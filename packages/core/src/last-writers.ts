import type { Placed } from './chains.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import type { ChangeId } from './ids.js'
import { checkPointer } from './json.js'
import { indexIn, type Move, moveIn } from './list-marks.js'
import { PointerTree, subtree } from './pointer-tree.js'
import { pointerOf } from './ref.js'
import type { View } from './view.js'
import { pastsOf, type ViewPasts } from './view-pasts.js'

/**
 * The changes of a view that wrote last at a pointer, above it or below it, or moved what stands there: more than one when
 * they are concurrent, none when nobody has. By id, ascending. @throws WEFT_POINTER_INVALID
 */
export function lastWriters(set: ChangeSet, view: View, pointer: string): ChangeId[] {
  checkPointer(pointer)
  return set.ids(set.maximal(lastWritesOf(set, view).touching(pointer)))
}

interface Moved extends Placed {
  readonly move: Move
}

/** What is held at a pointer. */
interface Last {
  nodes: Node[]
  /** Those of its items that no later one from there on, or further to the front, has in its past. */
  moves: Moved[]
}

/** A list whose items have moved. */
interface MovedItems {
  /** In the order of arrival. */
  readonly moves: Moved[]
  /** From which index on somebody did something to an item, and another one moved it, neither having seen the other. */
  uncertainFrom: number
}

/**
 * The writes of a view, but for those that a later one to their pointer, or above it, has in its past: what touches what such
 * a write touches is touched by the later one too. Where it is uncertain of which item an index was meant, all are.
 */
class LastWrites {
  readonly #tree = new PointerTree<Last>()
  readonly #moved = new PointerTree<MovedItems>()
  #anyMoved = false

  constructor(private readonly pasts: ViewPasts) {}

  /** Takes in the next change of the view. @param ends of lists, as the notes tell */
  add(node: Node, place: number, pointers: readonly string[], ends: readonly string[]): void {
    const isSeen = this.pasts.pastOf(node)
    const isBeside = (other: Node): boolean => other !== node && !isSeen(other)
    for (const pointer of [...pointers, ...ends]) {
      const move = moveIn(pointer)
      this.#besideMoves(pointer, move, this.pasts.cutOf(node), isBeside)
      if (move) this.#addMove({ node, place, move }, isBeside)
      else this.#addWrite(node, pointer, isSeen)
    }
  }

  /** The changes of which a write touches a pointer, some more than once. */
  touching(pointer: string): Node[] {
    const nodes: Node[] = []
    for (const { pointer: list, value } of this.#tree.above(pointer)) {
      if (!value) continue
      nodes.push(...value.nodes)
      const index = indexIn(list, pointer)
      if (index === undefined) continue
      for (const { node, move } of value.moves) if (move.from <= index) nodes.push(node)
    }
    const uncertain = this.#movedAbove(pointer).find(({ index, items }) => index >= items.uncertainFrom)
    // There may be more below a pointer than a call can have arguments.
    for (const node of this.#within(uncertain?.list ?? pointer)) nodes.push(node)
    return nodes
  }

  *#within(pointer: string): Generator<Node> {
    for (const { value } of subtree(this.#tree.within(pointer))) {
      yield* value?.nodes ?? []
      for (const { node } of value?.moves ?? []) yield node
    }
  }

  #addWrite(node: Node, pointer: string, isSeen: (other: Node) => boolean): void {
    for (const spot of [...subtree(this.#tree.within(pointer))]) {
      const last = spot.value
      if (last === undefined) continue
      last.nodes = last.nodes.filter(other => !isSeen(other))
      last.moves = last.moves.filter(other => !isSeen(other.node))
      if (last.nodes.length === 0 && last.moves.length === 0) this.#tree.clear(spot)
    }
    const { nodes } = this.#at(pointer)
    if (nodes.at(-1) !== node) nodes.push(node)
  }

  #addMove(moved: Moved, isBeside: (other: Node) => boolean): void {
    const { list, from } = moved.move
    const spot = this.#moved.at(list)
    spot.value ??= { moves: [], uncertainFrom: Number.POSITIVE_INFINITY }
    const { value: items } = spot
    this.#anyMoved = true
    if (from < items.uncertainFrom && some(this.#within(list), isBeside)) items.uncertainFrom = from
    items.moves.push(moved)
    const last = this.#at(list)
    last.moves = last.moves.filter(other => other.move.from < from || isBeside(other.node))
    last.moves.push(moved)
  }

  /** Takes note of the moves beside which something is written to items, or these are moved. */
  #besideMoves(
    pointer: string,
    own: Move | undefined,
    cut: number,
    isBeside: (other: Node) => boolean,
  ): void {
    for (const { list, items } of this.#movedAbove(pointer)) {
      for (let at = items.moves.length - 1; at >= 0 && items.moves[at]!.place > cut; at--) {
        const { node, move } = items.moves[at]!
        // Where one was that another has brought to the front its author could not know.
        const isAnywhere = own?.list === list && (own.removes || move.removes)
        const from = isAnywhere ? 0 : move.from
        if (from < items.uncertainFrom && isBeside(node)) items.uncertainFrom = from
      }
    }
  }

  /** The lists whose items have moved that a pointer goes through, from the outermost on, and by which index. */
  #movedAbove(pointer: string): { readonly list: string; readonly index: number; items: MovedItems }[] {
    if (!this.#anyMoved) return []
    return this.#moved.above(pointer).flatMap(({ pointer: list, value: items }) => {
      const index = items && indexIn(list, pointer)
      return index === undefined ? [] : { list, index, items: items! }
    })
  }

  #at(pointer: string): Last {
    const spot = this.#tree.at(pointer)
    spot.value ??= { nodes: [], moves: [] }
    return spot.value
  }
}

function some<T>(items: Iterable<T>, holds: (item: T) => boolean): boolean {
  for (const item of items) if (holds(item)) return true
  return false
}

interface Kept {
  readonly writes: LastWrites
  caughtUp: number
}

const KEPT = new WeakMap<View, Kept>()

/** The last writes of a view, kept up to date as it grows. */
function lastWritesOf(set: ChangeSet, view: View): LastWrites {
  const kept = KEPT.get(view) ?? { writes: new LastWrites(pastsOf(set.dag, view)), caughtUp: 0 }
  KEPT.set(view, kept)
  for (; kept.caughtUp < view.size; kept.caughtUp++) {
    const node = view.arrived.at(kept.caughtUp)
    const { writes, notes } = set.change(node).header
    if (writes.length === 0) continue
    const pointers = writes.flatMap(ref => pointerOf(ref) ?? [])
    kept.writes.add(node, kept.caughtUp, pointers, notes.ends ?? [])
  }
  return kept.writes
}
