import { ByteIndex } from '../base/byte-index.js'
import { toHex, writeHex } from '../base/bytes.js'
import { WeftError } from '../base/errors.js'
import { HASH_BYTES } from '../base/hash.js'
import { type ActorId, type ChangeId, isChangeId } from '../base/ids.js'
import { IntList } from '../base/int-list.js'
import { IntTable } from '../base/int-table.js'
import { NodeMarks } from '../base/node-marks.js'
import { NodeSet, type ReadonlyNodeSet } from '../base/node-set.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Change } from '../change/change.js'
import { ACTOR_BYTES, type Header } from '../change/header.js'
import { badLamport, badSeq, depsActor, depsMissing, equivocation } from './dag-errors.js'
import { PastWalk } from './past-walk.js'

/** What is kept of a node. */
const ACTOR = 0
const SEQ = 1
const LAMPORT = 2
/** The node of its actor's previous change. */
const PREVIOUS = 3
/** The nearest ancestor-or-self of the same actor that has a dep beside its actor's previous change. */
const RUN_START = 4
/** Where its deps begin in the list of all; they end where the next node's begin. */
const DEPS_START = 5
const COLUMNS = 6

/**
 * The causal graph of one context: the headers' causal metadata and nothing else, about 100 bytes a change. A peer
 * holds only this of an open context; a replica builds order, branches and state on top of it.
 *
 * Nodes are numbered in order of arrival, and a change arrives after its deps, so a node's number is above those of
 * all its ancestors.
 */
export class Dag {
  readonly #ids = new ByteIndex(HASH_BYTES)
  readonly #actors = new ByteIndex(ACTOR_BYTES)
  /** By number, spelled when first asked for. */
  readonly #actorIds: ActorId[] = []
  readonly #lastOfActor = new IntList()
  readonly #nodes = new IntTable(COLUMNS)
  readonly #deps = new IntList()
  readonly #heads = new NodeSet()
  readonly #scratchId = new Uint8Array(HASH_BYTES)
  readonly #scratchActor = new Uint8Array(ACTOR_BYTES)

  get size(): number {
    return this.#ids.size
  }

  /** The changes that nothing depends on yet. */
  get heads(): ReadonlyNodeSet {
    return this.#heads
  }

  find(id: ChangeId): Node {
    if (!isChangeId(id)) return NO_NODE
    writeHex(id, this.#scratchId)
    return this.#ids.find(this.#scratchId)
  }

  /** @throws WEFT_CHANGE_UNKNOWN */
  node(id: ChangeId): Node {
    const node = this.find(id)
    if (node !== NO_NODE) return node
    throw new WeftError(
      'WEFT_CHANGE_UNKNOWN',
      `this replica holds no change ${String(id).slice(0, 64)}`,
      'check the id, or wait until the change has been synced',
      { change: id },
    )
  }

  /** As `find`, of a change whose id nobody has had to spell yet. */
  nodeOf({ ids, idAt }: Change): Node {
    return this.#ids.find(ids, idAt)
  }

  /** The deps of a change that need not be here itself; `NO_NODE` for one that is not here. */
  depsOf({ bytes, depsAt, depsEnd }: Header): Node[] {
    const deps: Node[] = []
    for (let at = depsAt; at < depsEnd; at += HASH_BYTES) deps.push(this.#ids.find(bytes, at))
    return deps
  }

  id(node: Node): ChangeId {
    return toHex(this.#ids.key(node))
  }

  compareIds(a: Node, b: Node): number {
    return this.#ids.compare(a, b)
  }

  actorOf(node: Node): ActorId {
    const number = this.#nodes.at(node, ACTOR)
    this.#actorIds[number] ??= toHex(this.#actors.key(number))
    return this.#actorIds[number]
  }

  compareActors(a: Node, b: Node): number {
    const x = this.#nodes.at(a, ACTOR)
    const y = this.#nodes.at(b, ACTOR)
    return x === y ? 0 : this.#actors.compare(x, y)
  }

  seq(node: Node): number {
    return this.#nodes.at(node, SEQ)
  }

  lamport(node: Node): number {
    return this.#nodes.at(node, LAMPORT)
  }

  /** Of the actor that wrote it, within this graph. */
  actorNumber(node: Node): number {
    return this.#nodes.at(node, ACTOR)
  }

  /** The change with which the run begins that a change is part of: one actor's, each of which depends on the last alone. */
  runStart(node: Node): Node {
    return this.#nodes.at(node, RUN_START)
  }

  depCount(node: Node): number {
    return this.#depsEnd(node) - this.#nodes.at(node, DEPS_START)
  }

  dep(node: Node, index: number): Node {
    return this.#deps.at(this.#nodes.at(node, DEPS_START) + index)
  }

  /** The actor's latest change here, or `NO_NODE`. */
  lastOf(actor: ActorId): Node {
    writeHex(actor, this.#scratchActor)
    const number = this.#actors.find(this.#scratchActor)
    return number < 0 ? NO_NODE : this.#lastOfActor.at(number)
  }

  /** The ids of these nodes as a header carries them: ascending, end to end. Not to be written to. */
  packIds(nodes: readonly Node[]): Uint8Array {
    if (nodes.length === 1) return this.#ids.key(nodes[0]!)
    const sorted = [...nodes].sort((a, b) => this.compareIds(a, b))
    const packed = new Uint8Array(sorted.length * HASH_BYTES)
    sorted.forEach((node, index) => {
      packed.set(this.#ids.key(node), index * HASH_BYTES)
    })
    return packed
  }

  missingDeps({ bytes, depsAt, depsEnd }: Header): ChangeId[] {
    const missing: ChangeId[] = []
    for (let at = depsAt; at < depsEnd; at += HASH_BYTES) {
      if (this.#ids.find(bytes, at) < 0) missing.push(toHex(bytes, at, at + HASH_BYTES))
    }
    return missing
  }

  /**
   * Checks a change against what is here and adds it (CHG-2, CHG-3).
   * @returns its node, or `NO_NODE` if it was here already
   * @throws WEFT_CHANGE_DEPS_MISSING · WEFT_CHANGE_SEQ · WEFT_CHANGE_LAMPORT · WEFT_CHANGE_DEPS_ACTOR ·
   *   WEFT_CHANGE_EQUIVOCATION; then nothing was added
   */
  add(change: Change): Node {
    if (this.nodeOf(change) !== NO_NODE) return NO_NODE
    const previous = this.#lastOfAuthor(change.header)
    return this.#insert(change, previous, this.#pushDeps(change, previous))
  }

  /** Throws what `add` would throw of a change that is not here yet; adds nothing. */
  check(change: Change): void {
    this.#deps.length = this.#pushDeps(change, this.#lastOfAuthor(change.header))
  }

  #lastOfAuthor({ bytes, actorAt }: Header): Node {
    const actor = this.#actors.find(bytes, actorAt)
    return actor < 0 ? NO_NODE : this.#lastOfActor.at(actor)
  }

  /** Appends the deps of a change that passes all checks; returns where they begin. If it does not pass, throws. */
  #pushDeps(change: Change, previous: Node): number {
    const { header } = change
    const { bytes, depsAt, depsEnd, seq } = header
    const expected = previous === NO_NODE ? 1 : this.#nodes.at(previous, SEQ) + 1
    if (seq < expected) throw equivocation(change, this.id(this.#atSeq(previous, seq)))
    const firstDep = this.#deps.length
    let lamport = 0
    let includesPrevious = previous === NO_NODE
    for (let at = depsAt; at < depsEnd; at += HASH_BYTES) {
      // Most changes depend on their actor's last one, which need not be searched for.
      const continues = previous !== NO_NODE && this.#ids.is(previous, bytes, at)
      const dep = continues ? previous : this.#ids.find(bytes, at)
      if (dep < 0) {
        this.#deps.length = firstDep
        throw depsMissing(change.id, this.missingDeps(header))
      }
      lamport = Math.max(lamport, this.#nodes.at(dep, LAMPORT))
      if (dep === previous) includesPrevious = true
      this.#deps.push(dep)
    }
    if (seq !== expected || !includesPrevious || header.lamport !== lamport + 1) {
      this.#deps.length = firstDep
      if (seq > expected) throw badSeq(change, expected)
      throw includesPrevious ? badLamport(change, lamport + 1) : depsActor(change)
    }
    return firstDep
  }

  #insert({ ids, idAt, header }: Change, previous: Node, firstDep: number): Node {
    const node = this.#ids.insert(ids, idAt)
    const isNew = previous === NO_NODE
    const actor = isNew ? this.#actors.insert(header.bytes, header.actorAt) : this.#nodes.at(previous, ACTOR)
    if (isNew) this.#lastOfActor.push(node)
    else this.#lastOfActor.set(actor, node)
    const nodes = this.#nodes
    nodes.add()
    nodes.set(node, ACTOR, actor)
    nodes.set(node, SEQ, header.seq)
    nodes.set(node, LAMPORT, header.lamport)
    nodes.set(node, PREVIOUS, previous)
    nodes.set(node, DEPS_START, firstDep)
    for (let i = firstDep; i < this.#deps.length; i++) this.#heads.delete(this.#deps.at(i))
    this.#heads.add(node)
    const continuesRun = !isNew && this.#deps.length - firstDep === 1
    nodes.set(node, RUN_START, continuesRun ? nodes.at(previous, RUN_START) : node)
    return node
  }

  /**
   * Whether `ancestor` is in the past of `node` (a change is not in its own past). Walks runs of one actor, not
   * single changes, and never below the ancestor's lamport.
   */
  isAncestor(ancestor: Node, node: Node): boolean {
    if (ancestor >= node) return false
    if (this.#nodes.at(ancestor, ACTOR) === this.#nodes.at(node, ACTOR) || this.isDep(ancestor, node))
      return true
    const floor = this.#nodes.at(ancestor, LAMPORT)
    const actor = this.#nodes.at(ancestor, ACTOR)
    const seen = new Set<Node>()
    const stack = [node]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (this.#nodes.at(next, ACTOR) === actor && next >= ancestor) return true
      const start = this.#nodes.at(next, RUN_START)
      if (seen.has(start)) continue
      seen.add(start)
      for (let i = this.depCount(start) - 1; i >= 0; i--) {
        const dep = this.dep(start, i)
        if (this.#nodes.at(dep, LAMPORT) >= floor) stack.push(dep)
      }
    }
    return false
  }

  /**
   * Which of some nodes are in the past of others: one walk for all of them, by runs as that of `isAncestor`.
   * @param walked runs that were walked before, for whoever asks again about what is left of the nodes and what came since
   */
  behind(nodes: readonly Node[], others: readonly Node[], walked = new NodeMarks()): (node: Node) => boolean {
    const walk = new PastWalk(this, others, walked)
    walk.reach(nodes.reduce((least, node) => Math.min(least, this.lamport(node)), Number.POSITIVE_INFINITY))
    return node => walk.has(node)
  }

  /** Whether `earlier` is `node` or one that its actor wrote before it. */
  isOwnPast(earlier: Node, node: Node): boolean {
    return earlier <= node && this.#nodes.at(earlier, ACTOR) === this.#nodes.at(node, ACTOR)
  }

  isDep(dep: Node, node: Node): boolean {
    for (let i = this.depCount(node) - 1; i >= 0; i--) if (this.dep(node, i) === dep) return true
    return false
  }

  /** Visits `from` and their ancestors, going on below a node only where `enter` says so. */
  walk(from: Iterable<Node>, enter: (node: Node) => boolean): void {
    const stack = [...from]
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (!enter(node)) continue
      for (let i = this.depCount(node) - 1; i >= 0; i--) stack.push(this.dep(node, i))
    }
  }

  #atSeq(last: Node, seq: number): Node {
    let node = last
    while (this.#nodes.at(node, SEQ) > seq) node = this.#nodes.at(node, PREVIOUS)
    return node
  }

  #depsEnd(node: Node): number {
    return node + 1 < this.size ? this.#nodes.at(node + 1, DEPS_START) : this.#deps.length
  }
}
