import { decodeUpdate, type GC, ID, Item, Skip } from 'yjs'
import { malformed } from './refusals.js'

/** How much is known of what each Yjs client wrote: the clock that comes next. */
export type Clocks = ReadonlyMap<number, number>

const EMPTY_BYTES = 2

type Struct = GC | Item | Skip

export interface CheckedUpdate {
  /** The clocks that it moves on, each with where to. */
  readonly moved: Clocks
  /** It repeats some of what is known. */
  readonly overlaps: boolean
  readonly deletes: boolean
}

/**
 * Whether an update can be integrated wholly into a document that has `known`, and merged: it decodes, is in order, leaves
 * no gap, names nothing that is neither known nor its own, and deletes only what is there. The cost is linear in its
 * bytes, whereas Yjs finds out only by integrating: at a cost that can be quadratic, and when it throws the document has
 * changed.
 * @throws WEFT_FRAME_MALFORMED
 */
export function checkUpdate(update: Uint8Array, known: Clocks): CheckedUpdate {
  const { structs, ds } = decode(update)
  // Format 2 begins as an update of nothing does, and goes on.
  if (structs.length === 0 && ds.clients.size === 0 && update.length > EMPTY_BYTES)
    throw malformed('an update in another format')
  checkOrder(structs)
  const moved = new Map<number, number>()
  const reached = (client: number): number => moved.get(client) ?? known.get(client) ?? 0
  const overlaps = structs.some(({ id: { client, clock } }) => clock < (known.get(client) ?? 0))
  let waiting = byClient(structs)
  while (waiting.length > 0) {
    const before = waiting
    waiting = waiting.flatMap(queue => {
      const rest = integrate(queue, reached, moved)
      return rest.length > 0 ? [rest] : []
    })
    if (waiting.length === before.length && waiting.every((rest, i) => rest.length === before[i]!.length))
      throw malformed('an update builds on something that is not here')
  }
  for (const [client, ranges] of ds.clients) {
    const last = reached(client)
    // A range of nothing is not even written by Yjs, which throws where it finds one of a client that it does not know.
    if (ranges.some(({ clock, len }) => !(len > 0 && clock + len <= last)))
      throw malformed('an update deletes what is not here')
  }
  return { moved, overlaps, deletes: ds.clients.size > 0 }
}

function decode(update: Uint8Array): ReturnType<typeof decodeUpdate> {
  try {
    return decodeUpdate(update)
  } catch (error) {
    throw malformed(`an update cannot be decoded (${(error as Error).message})`)
  }
}

/**
 * Yjs writes clients in descending order, each once and without a gap, and relies on that unasked: where it merges an
 * update that is in another order it loses some of what is in it.
 */
function checkOrder(structs: readonly Struct[]): void {
  let client = Number.POSITIVE_INFINITY
  let end = 0
  for (const { id, length } of structs) {
    const follows = id.client === client ? id.clock === end : id.client < client
    if (!follows) throw malformed('an update that is not in order')
    client = id.client
    end = id.clock + length
  }
}

function byClient(structs: readonly Struct[]): Struct[][] {
  const queues = new Map<number, Struct[]>()
  for (const struct of structs) {
    const queue = queues.get(struct.id.client)
    if (queue) queue.push(struct)
    else queues.set(struct.id.client, [struct])
  }
  return [...queues.values()]
}

/** Moves a client's clock over its structs up to the first that has to wait for another client's; returns the rest. */
function integrate(
  queue: Struct[],
  reached: (client: number) => number,
  moved: Map<number, number>,
): Struct[] {
  const { client } = queue[0]!.id
  let at = 0
  for (const struct of queue) {
    const end = struct.id.clock + struct.length
    if (!(struct.length > 0) || !Number.isSafeInteger(end)) throw malformed('an update with an empty struct')
    if (struct instanceof Skip || struct.id.clock > reached(client)) throw malformed('an update with a gap')
    if (!refsOf(struct).every(ref => ref.clock < reached(ref.client))) break
    if (end > reached(client)) moved.set(client, end)
    at++
  }
  return queue.slice(at)
}

/** What a struct is placed by. Its parent, as it is decoded, is the name of a root, an id, or to be had of the others. */
function refsOf(struct: Struct): ID[] {
  if (!(struct instanceof Item)) return []
  return [struct.origin, struct.rightOrigin, struct.parent].filter(ref => ref instanceof ID)
}
