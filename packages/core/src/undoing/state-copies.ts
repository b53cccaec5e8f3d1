import { ABSENT } from '../base/cbor-cursor.js'
import { type Json, jsonEquals, pointersTouch } from '../base/json.js'
import type { Node } from '../base/node.js'
import { placesIn, pointersOf } from '../refs/ref.js'
import {
  keyedIn,
  keyedPointer,
  keyedWritten,
  lower,
  lowest,
  pointersAbove,
} from '../automerge/keyed-pointers.js'
import type { ChangeSet } from '../set/change-set.js'
import type { Writer } from '../state/open-writes.js'
import { eachSettling } from '../state/resolutions.js'
import { type Leaf, leavesOf, WrittenLeaves } from '../state/written-leaves.js'

/** A write to the state of which copies are looked for. Its pointer goes by the keys of maps: of a list, it is to all. */
export interface Original {
  readonly node: Node
  readonly pointer: string
  /** The texts and numbers that are looked for; undefined for all that it wrote. */
  readonly parts: ReadonlySet<Leaf> | undefined
}

export interface Originals {
  has(node: Node): boolean
  /** Those that touch a pointer. */
  touching(pointer: string): Iterable<Original>
}

/** Of a copy: the texts and numbers of its own that are copied; undefined when that cannot be told. */
export interface Copied {
  readonly parts: ReadonlySet<Leaf> | undefined
}

/** Says of a change whether it is in the past of the one that is looked at. */
type IsSeen = (node: Node) => boolean

/** What a rival in a conflict wrote, and what the change that settled it wrote at the same place. */
interface Choice {
  readonly rival: Writer
  readonly offered: Json | undefined
  readonly made: Json | undefined
  /** One of the two is not here any more. */
  readonly isErased: boolean
}

/**
 * The copies that Weft itself makes of what was written to the state (ERA-1): a revert, a migration and the resolution of a
 * conflict write values again that stand in their past, and so does whoever moves the items of a list. No manifest says so.
 */
export class StateCopies {
  #settled: ReadonlyMap<Node, readonly Writer[]> | undefined
  /** The changes that gave a pointer a value, or took it away: what had stood there, or below it, is gone after them. */
  #byPointer: ReadonlyMap<string, readonly Node[]> | undefined
  readonly #leaves: WrittenLeaves

  constructor(
    private readonly set: ChangeSet,
    private readonly originals: Originals,
  ) {
    this.#leaves = new WrittenLeaves(set)
  }

  /** What a change may have copied; undefined when it has copied nothing. */
  in(node: Node, isInPast: IsSeen): Copied | undefined {
    const { writes, stateHashAt, notes } = this.set.change(node).header
    if (writes.length === 0) return undefined
    const isSeen = (earlier: Node): boolean => earlier !== node && isInPast(earlier)
    // One that keeps the winner writes nothing: it gives the value another author, whom a later revert goes by.
    const chosen = this.#chosen(node, isSeen)
    if (chosen !== undefined || stateHashAt === ABSENT) return chosen
    if (notes.migrates !== undefined) return this.#carried(node, isSeen)
    const restored = this.set.reverts.has(node) ? this.#restored(node, isSeen) : undefined
    return restored ?? this.#moved(node, isSeen)
  }

  /** The pointers at which a copy holds what it has copied. */
  keyedOf(node: Node, { parts }: Copied): string[] {
    const keyed = keyedIn(this.set.change(node))
    if (parts === undefined) return keyed
    return keyed.filter(at => this.#leaves.at(node, at).some(leaf => parts.has(leaf)))
  }

  /** Gives the memory of the state back. */
  free(): void {
    this.#leaves.free()
  }

  /** A migration is given all of the state: it has what it takes away or writes over, and whatever texts it has in part. */
  #carried(node: Node, isSeen: IsSeen): Copied | undefined {
    const keyed = keyedWritten(this.set.change(node))
    const parts = new Set<Leaf>()
    let isMade = false
    for (const original of this.originals.touching('')) {
      const { pointer } = original
      if (!isSeen(original.node) || !this.#isThere(original.node, pointer, isSeen, () => true)) continue
      const told = [...this.#leaves.by(node)].filter(leaf => this.#isOf(leaf, original))
      for (const leaf of told) parts.add(leaf)
      const isUnknown = this.#isErased(original.node) || this.#isErased(node)
      isMade ||= told.length === 0 && (isUnknown || keyed.some(at => pointersTouch(at, pointer)))
    }
    if (isMade) return ANYTHING
    return parts.size > 0 ? { parts } : undefined
  }

  /** Whether a text is made of one of an original, or a part of it. */
  #isOf(leaf: Leaf, { node, pointer, parts }: Original): boolean {
    return [...(parts ?? this.#leaves.at(node, pointer))].some(
      part => includes(leaf, part) || (typeof leaf === 'string' && includes(part, leaf)),
    )
  }

  /** A revert gives pointers what those wrote who are not reverted: reverts' own writes are none to it. */
  #restored(node: Node, isSeen: IsSeen): Copied | undefined {
    const keyed = keyedWritten(this.set.change(node))
    const shared = this.#shared(node, keyed, isSeen)
    if (shared !== undefined) return shared
    const unsure = keyed.flatMap(at =>
      [...this.originals.touching(at)]
        .filter(original => isSeen(original.node) && !this.#isComparable(node, original.node))
        .map(original => ({ node: original.node, pointer: lower(at, original.pointer) })),
    )
    if (unsure.length === 0) return undefined
    const { reverts } = this.set
    const reverted = reverts.standing({ has: each => each === node || isSeen(each) })
    const stands = (each: Node): boolean => !reverts.has(each) && !reverted.has(each)
    const isBack = unsure.some(
      each => stands(each.node) && this.#isThere(each.node, each.pointer, isSeen, stands),
    )
    return isBack ? ANYTHING : undefined
  }

  /** Whether something that a change wrote is still at a pointer, as far as those go that count. */
  #isThere(node: Node, pointer: string, isSeen: IsSeen, counts: (node: Node) => boolean): boolean {
    this.#byPointer ??= this.#writersByPointer()
    const isOver = (later: Node, at: string): boolean =>
      counts(later) &&
      isSeen(later) &&
      this.set.dag.isAncestor(node, later) &&
      // Who names a list may have changed some of it.
      !Array.isArray(this.#leaves.after(later, at))
    const isGone = [pointer, ...pointersAbove(pointer)].some(at =>
      this.#byPointer!.get(at)?.some(later => isOver(later, at)),
    )
    return !isGone && this.#leaves.after(node, pointer) !== undefined
  }

  #writersByPointer(): ReadonlyMap<string, readonly Node[]> {
    const found = new Map<string, Node[]>()
    for (let node = 0; node < this.set.size; node++) {
      const { writes, stateHashAt } = this.set.change(node).header
      if (stateHashAt === ABSENT) continue
      for (const pointer of lowest(pointersOf(writes))) {
        const known = found.get(pointer)
        if (known) known.push(node)
        else found.set(pointer, [node])
      }
    }
    return found
  }

  /** What a change took of a conflict that it settled: what an original had offered, or parts of what others had. */
  #chosen(node: Node, isSeen: IsSeen): Copied | undefined {
    this.#settled ??= this.#findSettled()
    const rivals = this.#settled.get(node)
    if (rivals === undefined) return undefined
    for (const at of keyedWritten(this.set.change(node))) {
      const near = rivals.filter(rival => pointersTouch(rival.place, at))
      const choices = near
        .map(rival => this.#choiceOf(node, rival, lower(at, rival.place)))
        .filter(({ made }) => made !== undefined)
      const taken = choices.filter(({ offered, made, isErased }) => !isErased && jsonEquals(offered, made))
      const isOne = (choice: Choice): boolean =>
        this.originals.has(choice.rival.node) &&
        (taken.length > 0
          ? taken.includes(choice) && !this.#isComparable(node, choice.rival.node)
          : choice.isErased)
      if (choices.some(isOne)) return ANYTHING
      const parts = this.#partsOf(node, at, near, isSeen, taken.length === 0 ? includes : equals)
      if (parts.size > 0) return { parts }
    }
    return undefined
  }

  /** The texts of a change that are made of what rivals offered: of a list, say, others may have written parts. */
  #partsOf(
    node: Node,
    at: string,
    rivals: readonly Writer[],
    isSeen: IsSeen,
    isIn: (leaf: Leaf, part: Leaf) => boolean,
  ): ReadonlySet<Leaf> {
    const found = new Set<Leaf>()
    const offered = new Set(rivals.flatMap(rival => leavesOf(this.#leaves.after(rival.node, rival.place))))
    const made = this.#leaves.at(node, at)
    for (const original of this.originals.touching(at)) {
      if (!isSeen(original.node)) continue
      const all = original.parts ?? this.#leaves.at(original.node, original.pointer)
      const parts = [...all].filter(part => offered.has(part))
      for (const leaf of made) if (parts.some(part => isIn(leaf, part))) found.add(leaf)
    }
    return found
  }

  #choiceOf(node: Node, rival: Writer, at: string): Choice {
    return {
      rival,
      offered: this.#leaves.after(rival.node, at),
      made: this.#leaves.after(node, at),
      isErased: this.#isErased(node) || this.#isErased(rival.node),
    }
  }

  /** An item of a list that goes to another place is written anew, and so were once all those behind one that goes. */
  #moved(node: Node, isSeen: IsSeen): Copied | undefined {
    const change = this.set.change(node)
    const inLists = new Set(
      placesIn(change.header.writes)
        .filter(pointer => keyedPointer(pointer) !== pointer)
        .map(keyedPointer),
    )
    const isList = (at: string): boolean => inLists.has(at) || Array.isArray(this.#leaves.after(node, at))
    const keyed = keyedIn(change).filter(at => this.#shared(node, [at], isSeen) && isList(at))
    return this.#shared(node, keyed, isSeen)
  }

  /** The texts and numbers that originals wrote at some pointers, and a change after them. */
  #shared(node: Node, keyed: Iterable<string>, isSeen: IsSeen): Copied | undefined {
    const parts = new Set<Leaf>()
    const written = this.#leaves.by(node)
    for (const at of keyed) {
      for (const original of this.originals.touching(at)) {
        if (!isSeen(original.node)) continue
        const wanted = original.parts ?? this.#leaves.by(original.node)
        const both = [...wanted].filter(part => written.has(part) && !parts.has(part))
        // To read the state as it was costs far more than to know what a change wrote.
        if (both.length === 0) continue
        const here = this.#leaves.at(node, at)
        const there = original.parts ? both : this.#leaves.at(original.node, original.pointer)
        for (const part of both) if (here.includes(part) && there.includes(part)) parts.add(part)
      }
    }
    return parts.size > 0 ? { parts } : undefined
  }

  /** Whether what two changes wrote is here, and can be told from anything else. */
  #isComparable(node: Node, original: Node): boolean {
    return this.set.change(node).state !== null && this.#leaves.by(original).size > 0
  }

  #isErased(node: Node): boolean {
    return this.set.change(node).standIn !== null
  }

  #findSettled(): ReadonlyMap<Node, readonly Writer[]> {
    const found = new Map<Node, Writer[]>()
    eachSettling(this.set, this.set.everything(), this.#leaves.state, (node, { before }) => {
      const known = found.get(node)
      if (known) known.push(...before())
      else found.set(node, [...before()])
    })
    return found
  }
}

const ANYTHING: Copied = { parts: undefined }

function equals(leaf: Leaf, part: Leaf): boolean {
  return leaf === part
}

function includes(leaf: Leaf, part: Leaf): boolean {
  return leaf === part || (typeof leaf === 'string' && leaf.includes(String(part)))
}
