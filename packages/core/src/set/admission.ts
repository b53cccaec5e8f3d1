import { ERASURES_BRANCH } from '../base/ids.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import { pointerOf, readableRef } from '../refs/ref.js'
import type { Change } from '../change/change.js'
import { checkManifest } from '../change/manifest.js'
import { Branches } from '../graph/branches.js'
import { checkForks, checkHeads } from '../graph/context-heads.js'
import { Dag } from '../graph/dag.js'
import { Pasts } from '../graph/past.js'
import { StateLedger } from '../automerge/state-ledger.js'
import { checkComplete, checkErasing, Erasures } from '../notes/erasures.js'
import { Leases } from '../notes/leases.js'
import { checkMark, Wakes } from '../notes/wakes.js'
import { LogMoves } from '../writes/log-moves.js'
import { checkPreconditions, type LogView, type Preconditions } from './preconditions.js'

/**
 * What a peer holds of an open context to admit changes by: its causal graph (CHG-2, CHG-3), what the headers say was
 * written (DUR-6), and who holds which lease (HND-3). It never looks into an entry or a state for meaning.
 *
 * The n-th node of the graph is the change at position n + 1.
 */
export class Admission implements LogView {
  readonly dag = new Dag()
  readonly branches = new Branches(this.dag)
  readonly pasts = new Pasts(this.dag, this.branches)
  readonly leases = new Leases()
  readonly wakes = new Wakes()
  readonly moves = new LogMoves(this.dag)
  readonly erasures: Erasures
  readonly #ledger: StateLedger
  /** By node; lists are shared, as most changes of a context write one of few lists of refs, or nothing. */
  readonly #writes: (readonly string[])[] = []
  readonly #ends = new Map<Node, readonly string[]>()
  readonly #lists = new Map<string, readonly string[]>()
  readonly #writers = new Map<string, Node[]>()

  constructor(hash: Hash) {
    this.erasures = new Erasures(hash)
    this.#ledger = new StateLedger(this.dag, this.pasts, hash)
  }

  /**
   * Takes in what the log holds already.
   * @param started_ms when the peer began: a lease from before runs its whole time from then, in favour of its holder
   */
  restore(change: Change, started_ms: number): void {
    this.#add(change, started_ms, false)
  }

  /**
   * Takes a change that is not here yet, if it may be taken now.
   * @param preconditions given with a change that is offered for the first time and on condition: only such a change
   *   can begin a lease at this moment; any other may be history, offered again
   * @throws as `Dag.add`, WEFT_CHANGE_STATE, WEFT_CHANGE_MALFORMED, WEFT_ENTRY_UNKNOWN, WEFT_LEASE_*, WEFT_PRECONDITION,
   *   WEFT_POSITION_UNKNOWN, WEFT_ERASE_REFUSED, WEFT_CONTEXT_HEADS, WEFT_ID_INVALID, WEFT_BRANCH_EXISTS; then nothing has
   *   changed
   */
  admit(change: Change, now_ms: number, preconditions?: Preconditions): void {
    this.#checkHeader(change, now_ms, preconditions)
    this.#add(change, preconditions && now_ms, true)
  }

  /** Throws what `admit` would throw of a change that is not here yet; takes nothing. */
  check(change: Change, now_ms: number, preconditions?: Preconditions): void {
    this.#checkHeader(change, now_ms, preconditions)
    this.dag.check(change)
    this.#ledger.check(change)
  }

  #checkHeader(change: Change, now_ms: number, preconditions: Preconditions | undefined): void {
    const { header } = change
    checkComplete(change, this.erasures)
    checkHeads(this.dag, change)
    if (header.notes.forks !== undefined) checkForks(this.branches, header.notes.forks)
    if (header.notes.erases !== undefined || header.branch === ERASURES_BRANCH) {
      checkErasing(change, this.dag, node => node !== NO_NODE && this.erasures.isErasing(this.dag.id(node)))
    }
    // Only the headers are here: how many entries a change has is for its readers to see.
    checkManifest(header.reads, id => (this.dag.find(id) === NO_NODE ? undefined : Number.POSITIVE_INFINITY))
    if (preconditions !== undefined || this.leases.concern(header)) {
      // Causality first: what does not fit cannot be held against what it depends on.
      this.dag.check(change)
      this.leases.check(header, now_ms, preconditions !== undefined)
      if (preconditions) {
        checkPreconditions(this, header, preconditions)
        checkMark(this.dag, header)
      }
    }
  }

  writesAt(node: Node): readonly string[] {
    return this.#writes[node]!
  }

  endsAt(node: Node): readonly string[] {
    return this.#ends.get(node) ?? NONE
  }

  writersOf(ref: string): readonly Node[] {
    return this.#writers.get(ref) ?? NONE
  }

  #add(change: Change, granted_ms: number | undefined, live: boolean): void {
    const { header } = change
    let chunk: ReturnType<StateLedger['check']>
    if (change.state !== null || change.standIn !== null) {
      // Causality first: the state of an equivocation does not fit either, and it must be reported as what it is.
      this.dag.check(change)
      chunk = this.#ledger.check(change)
    }
    const node = this.dag.add(change)
    if (chunk) this.#ledger.add(node, chunk)
    this.branches.add(node, header.branch, header.notes.forks ?? NONE)
    this.leases.add(header, granted_ms, live)
    this.wakes.add(header)
    this.erasures.add(change)
    this.#writes.push(this.#shared(header.writes))
    for (const wrote of header.writes) if (pointerOf(wrote) === undefined) this.#addWriter(wrote, node)
    const { ends = NONE } = header.notes
    if (ends.length > 0) this.#ends.set(node, ends)
    this.moves.add(node, [...header.writes.flatMap(ref => pointerOf(ref) ?? NONE), ...ends])
  }

  #addWriter(wrote: string, node: Node): void {
    const { ref } = readableRef(wrote)
    const writers = this.#writers.get(ref)
    if (writers === undefined) this.#writers.set(ref, [node])
    else if (writers.at(-1) !== node) writers.push(node)
  }

  #shared(writes: readonly string[]): readonly string[] {
    if (writes.length === 0) return NONE
    // A ref may hold any character, so none can stand between two of them.
    const key = JSON.stringify(writes)
    const known = this.#lists.get(key)
    if (known) return known
    this.#lists.set(key, writes)
    return writes
  }
}

const NONE: readonly never[] = Object.freeze([])
