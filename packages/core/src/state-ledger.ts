import { badState, readStateChunk, type StateChunk } from './automerge-chunk.js'
import type { Change } from './change.js'
import { type Dag, NO_NODE, type Node } from './dag.js'
import { readStandIn } from './stand-in.js'
import type { ActorId } from './ids.js'
import type { Hash } from './ports.js'

/**
 * What is known of the Automerge changes inside a context without applying any: which change carries which, and each
 * actor's last. Keeps the inner history in step with the outer one, so that no inner change can name an author, a
 * sequence or a past that its envelope does not have.
 */
export class StateLedger {
  readonly #nodes = new Map<string, Node>()
  readonly #hashes = new Map<Node, string>()
  readonly #lastSeq = new Map<ActorId, number>()

  constructor(
    private readonly dag: Dag,
    private readonly hash: Hash,
  ) {}

  /** @throws WEFT_CHANGE_STATE when the change's state part contradicts its header or its past */
  check(change: Change): StateChunk | undefined {
    const { state, standIn } = change
    if (state === null && standIn === null) return undefined
    const chunk = state ? readStateChunk(state, this.hash) : readStandIn(standIn!, this.hash).chunk
    const { actor } = change.header
    if (chunk.actor !== actor) throw badState('it is by another actor than the change')
    const expected = (this.#lastSeq.get(actor) ?? 0) + 1
    if (chunk.seq !== expected)
      throw badState(`it has Automerge seq ${chunk.seq} where the actor's next is ${expected}`)
    const past = this.dag.depsOf(change.header)
    for (const dep of chunk.deps) {
      const node = this.#nodes.get(dep) ?? NO_NODE
      const seen = node !== NO_NODE && past.some(head => head === node || this.dag.isAncestor(node, head))
      if (!seen) throw badState('it depends on a state change that is not in the past of its change')
    }
    return chunk
  }

  add(node: Node, chunk: StateChunk): void {
    this.#nodes.set(chunk.hash, node)
    this.#hashes.set(node, chunk.hash)
    this.#lastSeq.set(chunk.actor, chunk.seq)
  }

  /** Automerge's hash of the state change at `node`. */
  hashOf(node: Node): string | undefined {
    return this.#hashes.get(node)
  }
}
