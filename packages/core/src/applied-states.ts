import { readStateChunk, withDeps } from './automerge-chunk.js'
import type { ChangeSet } from './change-set.js'
import type { Node } from './dag.js'
import { ABSENT } from './cbor-cursor.js'
import type { Hash } from './ports.js'
import { readStandIn } from './stand-in.js'

interface Applied {
  readonly bytes: Uint8Array
  readonly hash: string
}

/**
 * The state changes of a set as Automerge gets them. Where one was erased (ERA-1) it gets what stands in for it, which has
 * another hash; so all that come after that are given it as their dep, and have other hashes too. Nothing of this is
 * stored or sent: what an author writes names the deps as they were written.
 */
export class AppliedStates {
  /** Grows whenever what was handed out before is no longer so. */
  #form = 0
  #any = false
  #known = 0
  readonly #changed = new Map<Node, Applied>()
  /** By the hash as written, and back. */
  readonly #appliedAs = new Map<string, string>()
  readonly #writtenAs = new Map<string, string>()

  constructor(
    private readonly set: Pick<ChangeSet, 'change' | 'ledger' | 'size' | 'changes'>,
    private readonly hash: Hash,
  ) {}

  get form(): number {
    return this.#form
  }

  /** To be called when something was erased. */
  reset(): void {
    this.#form++
    this.#any = this.set.changes().some(change => change.standIn !== null)
    this.#known = 0
    this.#changed.clear()
    this.#appliedAs.clear()
    this.#writtenAs.clear()
  }

  /** What came already without its state was never handed out in another form. */
  noteStandIn(): void {
    if (!this.#any) this.reset()
    this.#any = true
  }

  bytesAt(node: Node): Uint8Array {
    this.#catchUp()
    return this.#changed.get(node)?.bytes ?? this.set.change(node).state!
  }

  /** Automerge's hash of what it gets of the change at `node`; undefined when that has no state. */
  hashAt(node: Node): string | undefined {
    this.#catchUp()
    return this.#changed.get(node)?.hash ?? this.set.ledger.hashOf(node)
  }

  /** A change that Automerge has made on top of what it got, as it is to be written. */
  asWritten(bytes: Uint8Array): Uint8Array {
    this.#catchUp()
    return this.#any ? this.#mapped(bytes, this.#writtenAs) : bytes
  }

  #catchUp(): void {
    if (!this.#any) return
    for (; this.#known < this.set.size; this.#known++) this.#take(this.#known)
  }

  #take(node: Node): void {
    const { header, state, standIn } = this.set.change(node)
    if (header.stateHashAt === ABSENT) return
    const written = this.set.ledger.hashOf(node)
    if (written === undefined) return
    const bytes = this.#mapped(state ?? readStandIn(standIn!, this.hash).bytes, this.#appliedAs)
    if (bytes === state) return
    const applied = readStateChunk(bytes, this.hash).hash
    this.#changed.set(node, { bytes, hash: applied })
    this.#appliedAs.set(written, applied)
    this.#writtenAs.set(applied, written)
  }

  #mapped(bytes: Uint8Array, as: ReadonlyMap<string, string>): Uint8Array {
    const { deps } = readStateChunk(bytes, this.hash)
    if (!deps.some(dep => as.has(dep))) return bytes
    return withDeps(bytes, deps.map(dep => as.get(dep) ?? dep).sort(), this.hash)
  }
}
