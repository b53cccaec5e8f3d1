import { decode, encode } from 'cborg'
import { fromHex, toHex } from './bytes.js'
import { CborReader, CborWriter } from './cbor-cursor.js'
import { reasonOf, WeftError } from './errors.js'
import { type ActorId, type AgentId, type BranchName, type ChangeId, checkId } from './ids.js'
import { isPlainObject } from './json.js'
import { LIMITS } from './limits.js'

export const HEADER_VERSION = 1
export const HASH_BYTES = 32
export const ACTOR_BYTES = 16

/** One thing a change was derived from. `entry` names one entry of the change; without it, all of it. */
export interface ManifestRef {
  readonly ref: string
  readonly version?: string
  readonly entry?: number
}

/** What a header may say beyond the causal metadata. Unknown keys are carried and ignored. */
export interface HeaderNotes {
  /** Branches that begin at this change, in the order of their forking. */
  readonly forks?: readonly BranchName[]
  /** The branches that this change merges, each with its heads (32 bytes a head). */
  readonly merges?: Readonly<Record<BranchName, Uint8Array>>
  readonly schema?: { readonly name: string; readonly version: number }
  readonly reason?: string
  readonly [key: string]: unknown
}

/** The causal metadata of a change (CHG-1). Hashes stay bytes: the graph looks them up without building strings. */
export interface Header {
  readonly actor: ActorId
  readonly seq: number
  readonly lamport: number
  /** The author's wall clock, ms since 1970 UTC. For people; nothing is ordered by it. */
  readonly time: number
  readonly branch: BranchName
  readonly agent: AgentId
  /** The ids of the deps end to end, 32 bytes each, ascending. */
  readonly deps: Uint8Array
  /** The kind of each entry of the change, so that a log can be filtered without its parts. */
  readonly kinds: readonly string[]
  readonly entriesHash: Uint8Array | null
  readonly stateHash: Uint8Array | null
  /** What the change writes: `state:/pointer` and other refs. */
  readonly writes: readonly string[]
  readonly reads: readonly ManifestRef[]
  readonly notes: HeaderNotes
}

const NO_NOTES: HeaderNotes = Object.freeze({})
const EMPTY_MAP = 0xa0
const NONE: readonly never[] = Object.freeze([])
const writer = new CborWriter()

/** The header's exact bytes: a CBOR array of 14 items, in the order of `Header` behind a version. */
export function encodeHeader(header: Header): Uint8Array {
  writer.array(14).uint(HEADER_VERSION).byteString(fromHex(header.actor))
  writer.uint(header.seq).uint(header.lamport).uint(header.time)
  writer.text(header.branch).text(header.agent).byteString(header.deps)
  writer.array(header.kinds.length)
  for (const kind of header.kinds) writer.text(kind)
  writer.byteStringOrNull(header.entriesHash).byteStringOrNull(header.stateHash)
  writer.array(header.writes.length)
  for (const ref of header.writes) writer.text(ref)
  writer.array(header.reads.length)
  for (const { ref, version, entry } of header.reads) {
    writer.array(3).text(ref)
    if (version === undefined) writer.null()
    else writer.text(version)
    if (entry === undefined) writer.null()
    else writer.uint(entry)
  }
  if (header.notes === NO_NOTES) writer.raw(Uint8Array.of(EMPTY_MAP))
  else writer.raw(encode(header.notes))
  return writer.finish()
}

/** @throws WEFT_CHANGE_MALFORMED, naming what is wrong */
export function decodeHeader(bytes: Uint8Array): Header {
  try {
    return readHeader(bytes)
  } catch (thrown) {
    throw malformed(reasonOf(thrown), thrown)
  }
}

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > LIMITS.header_bytes_max) throw new RangeError(`header of ${bytes.length} bytes`)
  const reader = new CborReader(bytes)
  if (reader.array(14) !== 14) throw new RangeError('a header has 14 items')
  const version = reader.uint()
  if (version !== HEADER_VERSION) throw new RangeError(`header version ${version}, this build reads ${HEADER_VERSION}`)
  const actor = sized(reader.byteString(), ACTOR_BYTES, 'actor')
  const seq = positive(reader.uint(), 'seq')
  const lamport = positive(reader.uint(), 'lamport')
  const time = reader.uint()
  const branch = checkId('branch', reader.text(128))
  const agent = checkId('agent', reader.text(128))
  const deps = checkDeps(reader.byteString())
  const kinds = readList(reader, LIMITS.entries_per_change_max, readKind)
  const entriesHash = hashOrNull(reader.byteStringOrNull(), 'entries hash')
  const stateHash = hashOrNull(reader.byteStringOrNull(), 'state hash')
  if ((entriesHash === null) !== (kinds.length === 0)) throw new RangeError('kinds without entries, or the reverse')
  const writes = readList(reader, LIMITS.refs_per_change_max, readRef)
  const reads = readList(reader, LIMITS.refs_per_change_max, readManifestRef)
  const notes = readNotes(reader)
  return { actor: toHex(actor), seq, lamport, time, branch, agent, deps, kinds, entriesHash, stateHash, writes, reads, notes }
}

function readList<T>(reader: CborReader, length_max: number, read: (reader: CborReader) => T): readonly T[] {
  const length = reader.array(length_max)
  if (length === 0) return NONE
  const items: T[] = []
  for (let i = 0; i < length; i++) items.push(read(reader))
  return items
}

const readKind = (reader: CborReader): string => checkId('kind', reader.text(128))
const readRef = (reader: CborReader): string => reader.text(LIMITS.ref_chars_max)

function readManifestRef(reader: CborReader): ManifestRef {
  if (reader.array(3) !== 3) throw new RangeError('a manifest item has 3 items')
  const ref = readRef(reader)
  const version = reader.textOrNull(LIMITS.ref_chars_max)
  const entry = reader.uintOrNull()
  return { ref, ...(version === null ? {} : { version }), ...(entry === null ? {} : { entry }) }
}

function readNotes(reader: CborReader): HeaderNotes {
  const rest = reader.rest
  if (rest.length === 1 && rest[0] === EMPTY_MAP) return NO_NOTES
  const notes: unknown = decode(rest, { strict: true, rejectDuplicateMapKeys: true, allowIndefinite: false })
  if (!isPlainObject(notes)) throw new TypeError('notes are not a map')
  const { forks, merges, schema, reason } = notes
  if (forks !== undefined) {
    if (!Array.isArray(forks) || forks.length > LIMITS.forks_per_change_max) throw new TypeError('forks is not a list')
    for (const name of forks) checkId('branch', name)
  }
  if (merges !== undefined) {
    if (!isPlainObject(merges)) throw new TypeError('merges is not a map')
    for (const [name, heads] of Object.entries(merges)) {
      checkId('branch', name)
      if (!(heads instanceof Uint8Array)) throw new TypeError(`heads of merged branch ${name} are not bytes`)
      checkDeps(heads)
    }
  }
  if (schema !== undefined) {
    if (!isPlainObject(schema) || typeof schema.name !== 'string' || !Number.isSafeInteger(schema.version)) {
      throw new TypeError('schema is not a name and a version')
    }
  }
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > LIMITS.label_chars_max)) {
    throw new TypeError('reason is not a short text')
  }
  return notes
}

function sized(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${what} of ${bytes.length} bytes, not ${length}`)
  return bytes
}

function hashOrNull(bytes: Uint8Array | null, what: string): Uint8Array | null {
  return bytes === null ? null : sized(bytes, HASH_BYTES, what)
}

function positive(value: number, what: string): number {
  if (value < 1 || value > 0x7fffffff) throw new RangeError(`${what} ${value} is out of range`)
  return value
}

function checkDeps(deps: Uint8Array): Uint8Array {
  if (deps.length % HASH_BYTES !== 0 || deps.length > LIMITS.deps_max * HASH_BYTES) {
    throw new RangeError(`deps of ${deps.length} bytes are not up to ${LIMITS.deps_max} hashes`)
  }
  for (let at = HASH_BYTES; at < deps.length; at += HASH_BYTES) {
    if (!ascends(deps, at)) throw new RangeError('deps are not in ascending order, each once')
  }
  return deps
}

function ascends(deps: Uint8Array, at: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) {
    const difference = deps[at + i]! - deps[at - HASH_BYTES + i]!
    if (difference !== 0) return difference > 0
  }
  return false
}

function malformed(reason: string, cause: unknown): WeftError {
  return new WeftError(
    'WEFT_CHANGE_MALFORMED',
    `the change cannot be read: ${reason}`,
    'send the exact bytes that its author made; if the author is of a newer version, upgrade this side first',
    {},
    { cause },
  )
}

/** Ids to the form a header carries: sorted, each once, end to end. */
export function packIds(ids: Iterable<ChangeId>): Uint8Array {
  const sorted = [...new Set(ids)].sort()
  return fromHex(sorted.join(''))
}

export function unpackIds(packed: Uint8Array): ChangeId[] {
  const ids: ChangeId[] = []
  for (let at = 0; at < packed.length; at += HASH_BYTES) ids.push(toHex(packed, at, at + HASH_BYTES))
  return ids
}

export function depsOf(header: Header): ChangeId[] {
  return unpackIds(header.deps)
}

export { NO_NOTES }
