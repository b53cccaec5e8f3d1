import type { ActorId } from '../base/ids.js'
import { NO_NODE, type Node } from '../base/node.js'
import type { Hash } from '../base/ports.js'
import type { Change } from '../change/change.js'
import type { Dag } from '../graph/dag.js'
import type { Pasts } from '../graph/past.js'
import { readStateChunk, type StateChunk } from './automerge-chunk.js'
import { badState } from './automerge-columns.js'
import { otherKind } from './automerge-op-names.js'
import { readStandIn } from './stand-in.js'

/** A state change that is here: the numbers of its ops, the last being that of all that it depends on if it has none. */
interface Taken {
  readonly node: Node
  readonly hash: string
  readonly firstOp: number
  readonly lastOp: number
  /** The objects that it made, by the numbers of their ops: true for a map, false for a list. */
  readonly makes: ReadonlyMap<number, boolean>
}

/**
 * What is known of the Automerge changes inside a context without applying any: which change carries which, and which ops
 * each actor wrote. Keeps the inner history in step with the outer one, so that no inner change can name an author, a
 * sequence, a past or an op that its envelope does not have behind it.
 *
 * That is what makes a state change mean the same everywhere: all that it names is in its past, so it is there in every
 * view that shows the change, in whatever order the others came, and Automerge takes it in all of them or in none.
 */
export class StateLedger {
  readonly #byHash = new Map<string, Taken>()
  readonly #hashes = new Map<Node, string>()
  /** Each actor's state changes, by seq. */
  readonly #byActor = new Map<ActorId, Taken[]>()
  /** What was read of changes that were looked at before they were taken. */
  readonly #read = new WeakMap<Change, StateChunk>()

  constructor(
    private readonly dag: Dag,
    private readonly pasts: Pasts,
    private readonly hash: Hash,
  ) {}

  /** @throws WEFT_CHANGE_STATE · WEFT_CHANGE_TOO_LARGE when the change's state part contradicts its header or its past */
  check(change: Change): StateChunk | undefined {
    const { state, standIn } = change
    if (state === null && standIn === null) return undefined
    const chunk = this.#read.get(change) ?? this.#chunkOf(change)
    this.#read.set(change, chunk)
    const { actor } = change.header
    if (chunk.actor !== actor) throw badState('it is by another actor than the change')
    const own = this.#byActor.get(actor) ?? []
    if (chunk.seq !== own.length + 1)
      throw badState(`it has Automerge seq ${chunk.seq} where the actor's next is ${own.length + 1}`)
    const deps = chunk.deps.map(dep => this.#byHash.get(dep))
    const known = deps.every(dep => dep !== undefined)
    if (!known || !this.pasts.include(nodesOf(deps), this.dag.depsOf(change.header)))
      throw badState('it depends on a state change that is not in the past of its change')
    this.#checkOps(chunk, deps, own.at(-1))
    return chunk
  }

  #chunkOf({ state, standIn }: Change): StateChunk {
    return state ? readStateChunk(state, this.hash) : readStandIn(standIn!, this.hash).chunk
  }

  add(node: Node, chunk: StateChunk): void {
    const { hash, actor, startOp, ops, makes } = chunk
    const taken = { node, hash, firstOp: startOp, lastOp: startOp + ops - 1, makes }
    this.#byHash.set(hash, taken)
    this.#hashes.set(node, hash)
    const own = this.#byActor.get(actor)
    if (own) own.push(taken)
    else this.#byActor.set(actor, [taken])
  }

  /** Whether any state change is here. */
  get any(): boolean {
    return this.#hashes.size > 0
  }

  /** Whether the state change at `node` makes objects. */
  makesAt(node: Node): boolean {
    const hash = this.#hashes.get(node)
    return hash !== undefined && this.#byHash.get(hash)!.makes.size > 0
  }

  /** The state changes of an actor that are here: how many, and Automerge's hash of the last. */
  writtenBy(actor: ActorId): { readonly count: number; readonly last: string | undefined } {
    const own = this.#byActor.get(actor) ?? []
    return { count: own.length, last: own.at(-1)?.hash }
  }

  /** The number of the last op of the state change that has this hash; the caller knows that it is here. */
  lastOpOf(hash: string): number {
    return this.#byHash.get(hash)!.lastOp
  }

  /** Automerge's hash of the state change at `node`. */
  hashOf(node: Node): string | undefined {
    return this.#hashes.get(node)
  }

  #checkOps({ startOp, named, into }: StateChunk, deps: readonly Taken[], previous: Taken | undefined): void {
    const next = deps.reduce((last, dep) => Math.max(last, dep.lastOp), 0) + 1
    if (startOp !== next) throw badState(`it has startOp ${startOp} where its deps make it ${next}`)
    const behind = new Set<Node>(previous && [previous.node])
    for (const { actor, counters } of named) {
      const taken = this.#byActor.get(actor) ?? []
      for (const counter of counters) behind.add(holderOf(taken, counter)?.node ?? NO_NODE)
    }
    const overlaps = previous !== undefined && previous.lastOp >= startOp
    if (overlaps || behind.has(NO_NODE) || !this.pasts.include(behind, nodesOf(deps)))
      throw badState('it names an op, or follows one of its author, that is not in its past')
    for (const { actor, objects } of into) {
      const taken = this.#byActor.get(actor) ?? []
      for (const [counter, isMap] of objects)
        if (holderOf(taken, counter)?.makes.get(counter) !== isMap) throw otherKind()
    }
  }
}

function nodesOf(taken: readonly Taken[]): Node[] {
  return taken.map(({ node }) => node)
}

/** The change of an actor that has the op. */
function holderOf(taken: readonly Taken[], counter: number): Taken | undefined {
  let low = 0
  let high = taken.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (taken[middle]!.lastOp < counter) low = middle + 1
    else high = middle
  }
  const found = taken[low]
  return found !== undefined && found.firstOp <= counter ? found : undefined
}
