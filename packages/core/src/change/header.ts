import { decode, encode } from 'cborg'
import { toHex } from '../base/bytes.js'
import { ABSENT, type CborReader, type CborWriter } from '../base/cbor-cursor.js'
import { HASH_BYTES } from '../base/hash.js'
import type { ActorId, AgentId, BranchName, ChangeId } from '../base/ids.js'
import { checkPointer, isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { checkIds, unpackIds } from '../base/packed-ids.js'
import type { Hash } from '../base/ports.js'
import { checkMoves, checkWritten } from '../refs/list-marks.js'
import { STATE_REF } from '../refs/ref.js'
import { checkNotes, type HeaderNotes } from './header-notes.js'

export const HEADER_VERSION = 1
export const ACTOR_BYTES = 16
const COUNTER_MAX = 0x7fffffff

/** One thing a change was derived from. `entry` names one entry of the change; without it, all of it. */
export interface ManifestRef {
  readonly ref: string
  readonly version?: string
  readonly entry?: number
}

/** What a header says, as its author puts it together; the hashes of the parts come beside it. */
export interface HeaderFields {
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
  /** What the change writes: `state:/pointer`, with a mark at its end too (list-marks.ts), and other refs. */
  readonly writes: readonly string[]
  readonly reads: readonly ManifestRef[]
  readonly notes: HeaderNotes
}

const NO_NOTES: HeaderNotes = Object.freeze({})
const EMPTY_MAP = Uint8Array.of(0xa0)
const NONE: readonly never[] = Object.freeze([])

/**
 * The causal metadata of a change (CHG-1), read in place: byte strings are kept as offsets into `bytes`, which nobody
 * may write to any more.
 */
export class Header {
  readonly actorAt: number
  readonly seq: number
  readonly lamport: number
  readonly time: number
  readonly branch: BranchName
  readonly agent: AgentId
  readonly depsAt: number
  readonly depsEnd: number
  readonly kinds: readonly string[]
  /** Offset of the hash, or `ABSENT`. */
  readonly entriesHashAt: number
  readonly stateHashAt: number
  readonly writes: readonly string[]
  readonly reads: readonly ManifestRef[]
  readonly notes: HeaderNotes

  /** @param written the notes, for whoever has just written them and need not read them back */
  constructor(
    readonly bytes: Uint8Array,
    reader: CborReader,
    written?: HeaderNotes,
  ) {
    if (reader.end - reader.at > LIMITS.header_bytes_max) throw new RangeError('the header is too long')
    if (reader.array(14) !== 14) throw new RangeError('a header has 14 items')
    const version = reader.uint()
    if (version !== HEADER_VERSION) {
      throw new RangeError(`header version ${version}, where this build reads ${HEADER_VERSION}`)
    }
    this.actorAt = sized(reader, reader.byteString(), ACTOR_BYTES, 'actor')
    this.seq = counter(reader.uint(), 'seq')
    this.lamport = counter(reader.uint(), 'lamport')
    this.time = reader.uint()
    this.branch = reader.id('branch')
    this.agent = reader.id('agent')
    this.depsAt = reader.byteString()
    this.depsEnd = reader.at
    checkIds('deps', LIMITS.deps_max, bytes, this.depsAt, this.depsEnd)
    this.kinds = readKinds(reader)
    this.entriesHashAt = sized(reader, reader.byteStringOrNull(), HASH_BYTES, 'entries hash')
    this.stateHashAt = sized(reader, reader.byteStringOrNull(), HASH_BYTES, 'state hash')
    if ((this.entriesHashAt === ABSENT) !== (this.kinds.length === 0)) {
      throw new RangeError('kinds without entries, or the reverse')
    }
    this.writes = readList(reader, LIMITS.refs_per_change_max, readWritten)
    checkMoves(this.writes)
    this.reads = readList(reader, LIMITS.refs_per_change_max, readManifestRef)
    this.notes = written ?? readNotes(reader)
    if (written !== undefined && written !== NO_NOTES) checkNotes(written)
  }

  get actor(): ActorId {
    return toHex(this.bytes, this.actorAt, this.actorAt + ACTOR_BYTES)
  }

  get deps(): ChangeId[] {
    return unpackIds(this.bytes, this.depsAt, this.depsEnd)
  }
}

/** Writes the header's exact bytes: a CBOR array of 14 items, `HeaderFields` in order behind a version. */
export function writeHeader(
  writer: CborWriter,
  header: HeaderFields,
  hash: Hash,
  entries: Uint8Array | null,
  state: Uint8Array | null,
): void {
  writer.array(14).uint(HEADER_VERSION).hex(header.actor)
  writer.uint(header.seq).uint(header.lamport).uint(header.time)
  writer.text(header.branch).text(header.agent).byteString(header.deps)
  writer.array(header.kinds.length)
  for (const kind of header.kinds) writer.text(kind)
  writer.hashOrNull(hash, entries).hashOrNull(hash, state)
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
  writer.raw(header.notes === NO_NOTES ? EMPTY_MAP : encode(header.notes))
}

let lastSingleKind: readonly string[] = NONE

/** Most changes hold one entry, of one of a few kinds: as long as it is the same kind, they share their list. */
function readKinds(reader: CborReader): readonly string[] {
  const length = reader.array(LIMITS.entries_per_change_max)
  if (length !== 1) return readItems(reader, length, readKind)
  const kind = readKind(reader)
  if (lastSingleKind[0] !== kind) lastSingleKind = [kind]
  return lastSingleKind
}

function readList<T>(reader: CborReader, length_max: number, read: (reader: CborReader) => T): readonly T[] {
  return readItems(reader, reader.array(length_max), read)
}

function readItems<T>(reader: CborReader, length: number, read: (reader: CborReader) => T): readonly T[] {
  if (length === 0) return NONE
  const items: T[] = []
  for (let i = 0; i < length; i++) items.push(read(reader))
  return items
}

const readKind = (reader: CborReader): string => reader.id('kind')

/** The pointers of the state are parsed when it is asked what a change touches: one that is none must not get that far. */
function readRef(reader: CborReader, check = checkPointer): string {
  const ref = reader.text(LIMITS.ref_chars_max)
  if (ref.startsWith(STATE_REF)) check(ref.slice(STATE_REF.length))
  return ref
}

const readWritten = (reader: CborReader): string => readRef(reader, checkWritten)

function readManifestRef(reader: CborReader): ManifestRef {
  if (reader.array(3) !== 3) throw new RangeError('a manifest item has 3 items')
  const ref = readRef(reader)
  const version = reader.textOrNull(LIMITS.ref_chars_max)
  const entry = reader.uintOrNull()
  return { ref, ...(version === null ? {} : { version }), ...(entry === null ? {} : { entry }) }
}

function readNotes(reader: CborReader): HeaderNotes {
  if (reader.end - reader.at === 1 && reader.bytes[reader.at] === EMPTY_MAP[0]) return NO_NOTES
  const rest = reader.bytes.subarray(reader.at, reader.end)
  const notes: unknown = decode(rest, { strict: true, rejectDuplicateMapKeys: true, allowIndefinite: false })
  if (!isPlainObject(notes)) throw new TypeError('notes are not a map')
  checkNotes(notes)
  return notes
}

/** Checks the byte string that `reader` has just passed over; returns its offset. */
function sized(reader: CborReader, at: number, length: number, what: string): number {
  if (at !== ABSENT && reader.at - at !== length)
    throw new RangeError(`${what} of ${reader.at - at} bytes, not ${length}`)
  return at
}

function counter(value: number, what: string): number {
  if (value < 1 || value > COUNTER_MAX) throw new RangeError(`${what} ${value} is out of range`)
  return value
}

export { type HeaderNotes, NO_NOTES, unpackIds }
