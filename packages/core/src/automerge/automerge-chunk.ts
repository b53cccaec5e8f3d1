import { hexEquals, toHex, writeHex } from '../base/bytes.js'
import { HASH_BYTES, hexHash } from '../base/hash.js'
import type { ActorId } from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import type { Hash } from '../base/ports.js'
import { ACTOR_BYTES } from '../change/header.js'
import { badState, checkText, ColumnReader, NOTHING } from './automerge-columns.js'
import { ACTION } from './automerge-op-names.js'
import { OP_MAX, readKeyedOps, readStateOps } from './automerge-ops.js'

/**
 * An Automerge change, read without Automerge: enough to refuse at a door that must not materialise anything whatever
 * Weft does not write, and to tell what it relies on. Nothing of it is compressed, and nothing is inflated.
 * Format: https://automerge.org/automerge-binary-format-spec/ (change chunk).
 */
export interface StateChunk {
  /** Automerge's own hash of the change. */
  readonly hash: string
  readonly deps: readonly string[]
  readonly actor: ActorId
  readonly seq: number
  /** The number of its first op; the others follow. */
  readonly startOp: number
  readonly ops: number
  /** The ops of earlier changes that it names, by their authors. */
  readonly named: readonly { readonly actor: ActorId; readonly counters: ReadonlySet<number> }[]
  /** The objects of earlier changes that it writes into, by their authors and counters: true for a map, false for a list. */
  readonly into: readonly { readonly actor: ActorId; readonly objects: ReadonlyMap<number, boolean> }[]
  /** The objects that it makes, by the numbers of their ops: likewise. */
  readonly makes: ReadonlyMap<number, boolean>
  /** Objects of earlier changes in which it makes new ones, by Automerge's id of them, and how deep those nest. */
  readonly nests: ReadonlyMap<string, number>
}

export const SUM_AT = 4
export const HASHED_AT = 8
const LENGTH_AT = 9
export const MAGIC = '856f4a83'
export const CHUNK_CHANGE = 1

/** @throws WEFT_CHANGE_STATE · WEFT_CHANGE_TOO_LARGE */
export function readStateChunk(bytes: Uint8Array, hash: Hash): StateChunk {
  if (bytes.length < 12 || !hexEquals(MAGIC, bytes)) throw badState('it is not an Automerge chunk')
  if (bytes[HASHED_AT] !== CHUNK_CHANGE)
    throw badState(`chunk type ${bytes[HASHED_AT]} is not an uncompressed change`)
  const sum = hexHash(hash, bytes.subarray(HASHED_AT))
  if (toHex(bytes, SUM_AT, HASHED_AT) !== sum.slice(0, 8)) throw badState('its checksum is wrong')
  const { reader, deps, actors, seq, startOp } = readHead(bytes)
  const { count, named, nests, into, makes } = readStateOps(reader, actors.length, startOp)
  return {
    hash: sum,
    deps,
    actor: actors[0]!,
    seq,
    startOp,
    ops: count,
    named: [...named].map(([number, counters]) => ({ actor: actors[number]!, counters })),
    into: [...into].map(([number, objects]) => ({ actor: actors[number]!, objects })),
    makes,
    nests: new Map([...nests].map(([object, depth]) => [spelled(object, actors), depth])),
  }
}

/** What stands before the ops of a chunk. */
interface Head {
  /** At the table of their columns. */
  readonly reader: ColumnReader
  readonly deps: readonly string[]
  /** The author first. */
  readonly actors: readonly ActorId[]
  readonly seq: number
  readonly startOp: number
}

function readHead(bytes: Uint8Array): Head {
  const reader = new ColumnReader(bytes, LENGTH_AT, bytes.length)
  if (reader.uleb() !== bytes.length - reader.at) throw badState('its length is wrong')
  const deps = readDeps(reader)
  const actor = readActor(reader)
  const seq = reader.uleb()
  const startOp = reader.uleb()
  if (startOp < 1 || startOp > OP_MAX) throw badState(`startOp ${startOp} is out of range`)
  reader.leb()
  const message = reader.skip(reader.uleb())
  checkText(bytes, message, reader.at)
  return { reader, deps, actors: [actor, ...readOthers(reader, actor)], seq, startOp }
}

/** What an op of a state change writes to. Ids are spelled as Automerge spells them, `counter@actor`. */
export interface StateOp {
  /** The object; undefined for the root. */
  readonly into: string | undefined
  /** The key of a map, or undefined. */
  readonly key: string | undefined
  /** The item of a list, one that it inserts too, or undefined. */
  readonly item: string | undefined
  readonly inserts: boolean
  /** The object that it makes, or undefined. */
  readonly makes: string | undefined
}

/** The ops of a state change that a door has let in, in their order. @throws WEFT_CHANGE_STATE of one that it has not */
export function stateOpsOf(bytes: Uint8Array): StateOp[] {
  const { reader, actors, startOp } = readHead(bytes)
  const { ops, keys } = readKeyedOps(reader)
  const spell = (counter: number, actor: number): string => `${counter}@${actors[actor]}`
  return Array.from({ length: ops.count }, (_, row): StateOp => {
    const own = spell(startOp + row, 0)
    const key = keys[row]
    const inserts = ops.insert[row] === 1
    const makes = ops.action[row] === ACTION.makeMap || ops.action[row] === ACTION.makeList
    const after = key === undefined && !inserts ? spell(ops.keyCounter[row]!, ops.keyActor[row]!) : undefined
    return {
      into: ops.objCounter[row] === NOTHING ? undefined : spell(ops.objCounter[row]!, ops.objActor[row]!),
      key,
      item: inserts ? own : after,
      inserts,
      makes: makes ? own : undefined,
    }
  })
}

/**
 * The same change behind other deps, as many as it has: what Automerge applies where one of them is here in another form.
 * @param deps in hex, in the order in which Automerge writes them: ascending
 */
export function withDeps(bytes: Uint8Array, deps: readonly string[], hash: Hash): Uint8Array {
  // A copy of a Buffer too: its own slice() would be the same bytes.
  const changed = Uint8Array.from(bytes)
  const reader = new ColumnReader(bytes, LENGTH_AT, bytes.length)
  reader.uleb()
  reader.uleb()
  let { at } = reader
  for (const dep of deps) {
    writeHex(dep, changed, at)
    at += HASH_BYTES
  }
  writeHex(hexHash(hash, changed.subarray(HASHED_AT)).slice(0, 8), changed, SUM_AT)
  return changed
}

/** `counter@number` with the actor that has the number. */
function spelled(object: string, actors: readonly ActorId[]): string {
  const at = object.indexOf('@') + 1
  return object.slice(0, at) + actors[Number(object.slice(at))]
}

function readDeps(reader: ColumnReader): readonly string[] {
  const count = reader.uleb()
  if (count > LIMITS.deps_max) throw badState(`it has ${count} deps where ${LIMITS.deps_max} are allowed`)
  const deps: string[] = []
  for (let i = 0; i < count; i++) {
    const at = reader.skip(HASH_BYTES)
    deps.push(toHex(reader.bytes, at, reader.at))
  }
  return ascending(deps, 'deps')
}

function readActor(reader: ColumnReader): ActorId {
  if (reader.uleb() !== ACTOR_BYTES) throw badState(`an actor in it has not ${ACTOR_BYTES} bytes`)
  const at = reader.skip(ACTOR_BYTES)
  return toHex(reader.bytes, at, reader.at)
}

function readOthers(reader: ColumnReader, author: ActorId): readonly ActorId[] {
  const others: ActorId[] = []
  for (let left = reader.uleb(); left > 0; left--) others.push(readActor(reader))
  if (others.includes(author)) throw badState('its author is among the other actors')
  return ascending(others, 'other actors')
}

function ascending(texts: readonly string[], what: string): readonly string[] {
  if (texts.some((text, i) => i > 0 && texts[i - 1]! >= text)) throw badState(`its ${what} are not ascending`)
  return texts
}
