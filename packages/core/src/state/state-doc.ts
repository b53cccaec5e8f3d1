import { getBackend, init } from '@automerge/automerge'
import type { ActorId } from '../base/ids.js'
import { deepFreeze, frozenCopy, type Json, type JsonObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import type { Node } from '../base/node.js'
import type { Dag } from '../graph/dag.js'
import { tooManyOps } from '../automerge/automerge-ops.js'
import { type AutomergeDocument, type Written, writeDifference } from '../automerge/state-diff.js'
import { type StateEdit, StateEdits, type StateEnd } from '../automerge/state-edits.js'
import type { ChangeSet } from '../set/change-set.js'
import { StateAt, toJson } from './state-at.js'

/** What a document shows the state of: all that a view does, or what it did once. */
export interface Shown {
  /** Deps first. */
  readonly arrived: { readonly length: number; at(index: number): Node }
}

/** Whoever only reads writes as nobody. */
const READER: ActorId = '00000000000000000000000000000000'

/**
 * The state of one view: an Automerge document that lags behind and applies what is pending, in one batch, when it is
 * read. One that writes belongs to one actor and to the branch handle that owns it.
 *
 * A state change that Automerge refuses counts for nothing, alike on every replica: the document is rebuilt from
 * scratch, one change at a time, without it.
 */
export class StateDoc {
  /** Made when it is needed: many a context has no state, and its memory is given back by `free` alone. */
  #made: AutomergeDocument | undefined
  #shown: Shown | undefined
  #applied = 0
  /** The form that state changes had when they were applied (applied-states.ts). */
  #form = 0
  #snapshot: JsonObject | undefined
  /** What was looked up in the document as it is. */
  #now: StateAt | undefined
  /** By change, the state right after it: of the last few that were asked about. */
  readonly #after = new Map<Node, StateAt>()
  #ownIsHere = true
  /** How many state changes of its actor it shows: those that were written through it, or that it was built of. */
  #own = 0
  /**
   * Since the last write. Who asks between two writes asks again after the next, and one change at a time the document takes
   * no sooner than it would have written it.
   */
  #isAsked = false
  /** What this actor has written that the document has not been given yet. */
  readonly #edits: StateEdits
  readonly #refused = new Set<Node>()

  constructor(
    private readonly set: ChangeSet,
    /** Or what makes it, when the state is first asked for: most that is written does not touch it. */
    private readonly view: Shown | (() => Shown),
    private readonly actor: ActorId = READER,
  ) {
    this.#edits = new StateEdits(actor, set.hash, () => this.#made)
  }

  /** Nodes whose state change Automerge would not take. */
  get refused(): ReadonlySet<Node> {
    this.#catchUp()
    return this.#refused
  }

  /** The whole state, deeply frozen; the same object until something changes. */
  read(): JsonObject {
    this.#catchUp()
    this.#snapshot ??=
      this.#made || this.#edits.end
        ? deepFreeze(toJson(this.#document.materialize('/')) as JsonObject)
        : EMPTY
    return this.#snapshot
  }

  /** What a pointer or a place (places.ts) held for the author of the change at `node`, right after it. */
  readAfter(node: Node, place: string): Json | undefined {
    if (this.refused.has(node)) return undefined
    return this.set.states.valueAfter(node, place, () => this.#stateAfter(node).read(place))
  }

  /** What `pointer` holds where these changes and their pasts are all there is. */
  readAt(nodes: readonly Node[], pointer: string): Json | undefined {
    return this.at(nodes).read(pointer)
  }

  /** The state where these changes and their pasts are all there is. */
  at(nodes: readonly Node[]): StateAt {
    this.#catchUp()
    return new StateAt(this.#document, this.#headsAfter(nodes))
  }

  /** The state as the author of the change at `node` saw it before that. */
  before(node: Node): StateAt {
    return this.at(depsOf(this.set.dag, node))
  }

  /** The place of a pointer in that state. */
  placeBefore(node: Node, pointer: string): string {
    return this.before(node).placeOf(pointer)
  }

  /** Where a place is now: its pointer, in which items that are gone keep their marks. */
  pointerOf(place: string): string {
    return this.#asItIs().pointerOf(place)
  }

  placeNow(pointer: string): string {
    return this.#asItIs().placeOf(pointer)
  }

  #asItIs(): StateAt {
    this.#catchUp()
    this.#now ??= new StateAt(this.#document)
    return this.#now
  }

  #stateAfter(node: Node): StateAt {
    const known = this.#after.get(node) ?? this.at([node])
    // The last one asked about is the last in the map, and the first one goes.
    this.#after.delete(node)
    this.#after.set(node, known)
    if (this.#after.size > AFTER_MAX) this.#after.delete(this.#after.keys().next().value!)
    return known
  }

  /**
   * Turns the difference from `read()` to `next` into one Automerge change of this document's actor.
   * @param touched as of `writeDifference`
   * @returns its bytes and what it writes, or undefined when nothing differs
   * @throws WEFT_CHANGE_TOO_LARGE; then nothing is written
   */
  write(
    next: JsonObject,
    touched?: readonly string[],
  ): (Written & { readonly bytes: Uint8Array }) | undefined {
    // First: to read may take another document.
    const base = this.read()
    const edit = this.#edit(base, next, touched) ?? this.#editDocument(base, next, touched)
    const { bytes } = edit
    if (bytes === undefined) return undefined
    this.#own++
    this.#now = undefined
    this.#isAsked = false
    // What Automerge would show now, without building it again from all that was ever written.
    this.#snapshot = frozenCopy(next, base)
    return { ...edit, bytes }
  }

  /** @returns undefined where the document is to write it */
  #edit(base: JsonObject, next: JsonObject, touched?: readonly string[]): StateEdit | undefined {
    const { states, ledger } = this.set
    // What names changes by other hashes than Automerge has of them is left to whoever knows both.
    if (this.#isAsked || this.#edits.isFull || !states.areAsWritten) return undefined
    const { count, last } = ledger.writtenBy(this.actor)
    // Who writes again what stands in the set, at the heads of then, is not behind itself.
    if (count !== this.#own) return undefined
    try {
      return this.#edits.write(this.#edits.end ?? this.#documentEnd(last), count + 1, base, next, touched)
    } catch (thrown) {
      this.reset()
      throw thrown
    }
  }

  #editDocument(base: JsonObject, next: JsonObject, touched?: readonly string[]): StateEdit {
    const written = writeDifference(this.#document, base, next, touched)
    if (written.pointers.length === 0) return { ...written, bytes: undefined }
    const ops = this.#document.pendingOps()
    if (ops > LIMITS.state_ops_per_change_max) {
      this.reset()
      throw tooManyOps(ops)
    }
    // What Automerge holds already makes no change, and the last one must not go out a second time.
    if (this.#document.commit(null, 0) === null) return { ...written, bytes: undefined }
    const bytes = this.#document.getLastLocalChange()
    if (!bytes) throw new Error('Automerge made no change of a difference')
    return { ...written, bytes: this.set.states.asWritten(bytes) }
  }

  /** A state change depends on its author's last one in any case, as Automerge has it. */
  #documentEnd(last: string | undefined): StateEnd {
    const heads = this.#made?.getHeads() ?? []
    const lastOp = Math.max(0, ...heads.map(head => this.set.ledger.lastOpOf(head)))
    return { deps: last === undefined || heads.includes(last) ? heads : [...heads, last], lastOp }
  }

  /** Forgets what was written but did not become a change. */
  reset(): void {
    this.#drop()
    this.#applied = 0
    this.#snapshot = undefined
    this.#ownIsHere = false
    this.#own = 0
    this.#refused.clear()
  }

  /** Gives the memory of the document back. Whoever asks again has it built again from the set. */
  free(): void {
    this.reset()
  }

  #drop(): void {
    this.#edits.clear()
    this.#made?.free()
    this.#made = undefined
    this.#now = undefined
    this.#after.clear()
  }

  get #arrived(): Shown['arrived'] {
    this.#shown ??= typeof this.view === 'function' ? this.view() : this.view
    return this.#shown.arrived
  }

  /** With all that was written here. */
  get #document(): AutomergeDocument {
    this.#isAsked = true
    this.#made ??= getBackend(init({ actor: this.actor }))
    const edits = this.#edits.take()
    if (edits.length > 0) this.#made.applyChanges([...edits])
    return this.#made
  }

  /** The state changes at `nodes`, or the nearest in their pasts: a change may name a pointer and leave it as it is. */
  #headsAfter(nodes: readonly Node[]): string[] {
    const heads: string[] = []
    const seen = new Set<Node>()
    this.set.dag.walk(nodes, at => {
      if (seen.has(at)) return false
      seen.add(at)
      const hash = this.set.states.hashAt(at)
      if (hash === undefined || this.#refused.has(at)) return true
      heads.push(hash)
      return false
    })
    return heads
  }

  #catchUp(): void {
    if (this.#form !== this.set.states.form) this.reset()
    this.#form = this.set.states.form
    const pending: Node[] = []
    for (; this.#applied < this.#arrived.length; this.#applied++) {
      const node = this.#arrived.at(this.#applied)
      if (this.set.ledger.hashOf(node) === undefined) continue
      const isOwn = this.set.dag.actorOf(node) === this.actor
      if (isOwn && this.#ownIsHere) continue
      if (isOwn) this.#own++
      pending.push(node)
    }
    this.#ownIsHere = true
    if (pending.length === 0) return
    this.#snapshot = undefined
    this.#now = undefined
    try {
      this.#document.applyChanges(pending.map(node => this.set.states.bytesAt(node)))
    } catch {
      this.#rebuild()
    }
  }

  #rebuild(): void {
    this.#drop()
    const good: Uint8Array[] = []
    for (let i = 0; i < this.#applied; i++) {
      const node = this.#arrived.at(i)
      if (this.set.ledger.hashOf(node) === undefined) continue
      const bytes = this.set.states.bytesAt(node)
      try {
        this.#document.applyChanges([bytes])
        good.push(bytes)
      } catch {
        // A throw may have changed the document already (limits: Automerge on hostile input).
        this.#refused.add(node)
        this.#drop()
        this.#document.applyChanges(good)
      }
    }
  }
}

const EMPTY: JsonObject = Object.freeze({})

/** So many states of the past are kept at hand: what one asks about, another asks about soon. */
const AFTER_MAX = 32

function depsOf(dag: Dag, node: Node): Node[] {
  return Array.from({ length: dag.depCount(node) }, (_, index) => dag.dep(node, index))
}
