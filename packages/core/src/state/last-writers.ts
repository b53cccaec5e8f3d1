import { Chains, type Placed } from '../base/chains.js'
import type { ChangeId } from '../base/ids.js'
import { checkPointer } from '../base/json.js'
import type { Node } from '../base/node.js'
import { PointerTree, subtree } from '../base/pointer-tree.js'
import { indexIn, listsAbove, type Move, moveIn } from '../refs/list-marks.js'
import { pointerOf } from '../refs/ref.js'
import type { Dag } from '../graph/dag.js'
import { pastsOf, type ViewPasts } from '../graph/view-pasts.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'

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

/** A list to whose items something was done. */
interface Items {
  /** In the order of arrival. */
  readonly moves: Moved[]
  /** What each actor did to one of them last: who has that in its past has all that the actor did. */
  readonly acts: Chains<Placed>
  /** From which index on somebody did something to an item, and another one moved it, neither having seen the other. */
  uncertainFrom: number
}

/**
 * The writes of a view, but for those that a later one to their pointer, or above it, has in its past: what touches what such
 * a write touches is touched by the later one too. Where it is uncertain of which item an index was meant, all are.
 */
class LastWrites {
  readonly #tree = new PointerTree<Last>()
  readonly #lists = new PointerTree<Items>()
  #anyMoved = false

  constructor(
    private readonly dag: Dag,
    private readonly pasts: ViewPasts,
  ) {}

  /** Takes in the next change of the view. @param ends of lists, as the notes tell */
  add(node: Node, place: number, pointers: readonly string[], ends: readonly string[]): void {
    const isSeen = this.pasts.pastOf(node)
    const isBeside = (other: Node): boolean => other !== node && !isSeen(other)
    const cut = this.pasts.cutOf(node)
    for (const [list, move] of actsIn([...pointers, ...ends])) {
      this.#act({ node, place }, list, move, cut, isBeside)
      if (move) this.#addMove({ node, place, move }, cut, isBeside)
    }
    for (const pointer of pointers) if (moveIn(pointer) === undefined) this.#addWrite(node, pointer, isSeen)
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
    // There may be more below a pointer than a call can have arguments.
    for (const node of this.#within(this.#uncertainAbove(pointer) ?? pointer)) nodes.push(node)
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

  #addMove(moved: Moved, cut: number, isBeside: (other: Node) => boolean): void {
    const { list, from } = moved.move
    const items = this.#lists.at(list).value!
    this.#anyMoved = true
    if (from < items.uncertainFrom) {
      for (const { items: acts } of items.acts.since(cut)) {
        if (!isBeside(acts[0]!.node)) continue
        items.uncertainFrom = from
        break
      }
    }
    items.moves.push(moved)
    const last = this.#at(list)
    last.moves = last.moves.filter(other => other.move.from < from || isBeside(other.node))
    last.moves.push(moved)
  }

  /** Takes in that something was done to an item of a list, or its items were moved, and the moves beside which that was. */
  #act(
    placed: Placed,
    list: string,
    own: Move | undefined,
    cut: number,
    isBeside: (other: Node) => boolean,
  ): void {
    const spot = this.#lists.at(list)
    spot.value ??= { moves: [], acts: new Chains(), uncertainFrom: Number.POSITIVE_INFINITY }
    const { value: items } = spot
    items.acts.growing(this.dag.actorNumber(placed.node)).items[0] = placed
    for (let at = items.moves.length - 1; at >= 0 && items.moves[at]!.place > cut; at--) {
      const { node, move } = items.moves[at]!
      // Where one was that another has brought to the front its author could not know.
      const isAnywhere = own && (own.removes || move.removes)
      const from = isAnywhere ? 0 : move.from
      if (from < items.uncertainFrom && isBeside(node)) items.uncertainFrom = from
    }
  }

  /** The list in which an item that a pointer goes through may be another one, the outermost if there are several. */
  #uncertainAbove(pointer: string): string | undefined {
    if (!this.#anyMoved) return undefined
    return this.#lists
      .above(pointer)
      .find(({ pointer: list, value }) => (indexIn(list, pointer) ?? -1) >= (value?.uncertainFrom ?? 0))
      ?.pointer
  }

  #at(pointer: string): Last {
    const spot = this.#tree.at(pointer)
    spot.value ??= { nodes: [], moves: [] }
    return spot.value
  }
}

/** The lists to whose items something was done, and what of it moved some: of several moves, what all of them come to. */
function actsIn(pointers: readonly string[]): ReadonlyMap<string, Move | undefined> {
  const acts = new Map<string, Move | undefined>()
  for (const pointer of pointers) {
    const move = moveIn(pointer)
    for (const list of listsAbove(pointer)) {
      const known = acts.get(list)
      acts.set(list, move?.list === list ? joined(move, known) : known)
    }
  }
  return acts
}

function joined(move: Move, other: Move | undefined): Move {
  if (other === undefined) return move
  return { ...move, from: Math.min(move.from, other.from), removes: move.removes || other.removes }
}

interface Kept {
  readonly writes: LastWrites
  caughtUp: number
}

const KEPT = new WeakMap<View, Kept>()

/** The last writes of a view, kept up to date as it grows. */
function lastWritesOf(set: ChangeSet, view: View): LastWrites {
  const kept = KEPT.get(view) ?? { writes: new LastWrites(set.dag, pastsOf(set.dag, view)), caughtUp: 0 }
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
