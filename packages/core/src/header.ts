import { decode, encode } from 'cborg'
import { toHex } from './bytes.js'
import { ABSENT, type CborReader, type CborWriter } from './cbor-cursor.js'
import { type ActorId, type AgentId, type BranchName, type ChangeId, checkId } from './ids.js'
import { isPlainObject, parsePointer } from './json.js'
import { checkLeaseNotes, type EpochsNote, type LeaseNote } from './lease-notes.js'
import { LIMITS } from './limits.js'
import { checkOverlayNotes, type OverlaysNote, type PublishNote } from './overlay-notes.js'

export const HEADER_VERSION = 1
export const HASH_BYTES = 32
export const ACTOR_BYTES = 16
const COUNTER_MAX = 0x7fffffff
/** What precedes the pointer in a ref to state. */
export const STATE_REF = 'state:'

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
  /** The version of the schema that this change brings its branch from; `schema` is what it brings it to (HND-2). */
  readonly migrates?: number
  /** The changes that this one reverts (STP-4): 32 bytes each, ascending. It counts for those in its past alone. */
  readonly reverts?: Uint8Array
  /** Asks for a lease on what the change writes, or gives it back (HND-3). */
  readonly lease?: LeaseNote
  /** The epochs of the leases that its author held. */
  readonly under?: EpochsNote
  /** Puts a version of an overlay into force (OVL-1). */
  readonly publishes?: PublishNote
  /** The overlays that the step ran under (OVL-2). */
  readonly overlays?: OverlaysNote
  readonly reason?: string
  /** The step that wrote the change, by its name. */
  readonly step?: string
  /** W3C traceparent of the work it was part of. */
  readonly trace?: string
  readonly [key: string]: unknown
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
  /** What the change writes: `state:/pointer` and other refs. */
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

  constructor(
    readonly bytes: Uint8Array,
    reader: CborReader,
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
    checkDeps(bytes, this.depsAt, this.depsEnd)
    this.kinds = readKinds(reader)
    this.entriesHashAt = sized(reader, reader.byteStringOrNull(), HASH_BYTES, 'entries hash')
    this.stateHashAt = sized(reader, reader.byteStringOrNull(), HASH_BYTES, 'state hash')
    if ((this.entriesHashAt === ABSENT) !== (this.kinds.length === 0)) {
      throw new RangeError('kinds without entries, or the reverse')
    }
    this.writes = readList(reader, LIMITS.refs_per_change_max, readWrite)
    this.reads = readList(reader, LIMITS.refs_per_change_max, readManifestRef)
    this.notes = readNotes(reader)
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
  entriesHash: string | null,
  stateHash: string | null,
): void {
  writer.array(14).uint(HEADER_VERSION).hexOrNull(header.actor)
  writer.uint(header.seq).uint(header.lamport).uint(header.time)
  writer.text(header.branch).text(header.agent).byteString(header.deps)
  writer.array(header.kinds.length)
  for (const kind of header.kinds) writer.text(kind)
  writer.hexOrNull(entriesHash).hexOrNull(stateHash)
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

const singleKind = new Map<string, readonly string[]>()
const SINGLE_KINDS_MAX = 1_024

/** Most changes hold one entry, of one of a few kinds: those share their list. */
function readKinds(reader: CborReader): readonly string[] {
  const kinds = readList(reader, LIMITS.entries_per_change_max, readKind)
  if (kinds.length !== 1) return kinds
  const shared = singleKind.get(kinds[0]!)
  if (shared !== undefined) return shared
  if (singleKind.size < SINGLE_KINDS_MAX) singleKind.set(kinds[0]!, kinds)
  return kinds
}

function readList<T>(reader: CborReader, length_max: number, read: (reader: CborReader) => T): readonly T[] {
  const length = reader.array(length_max)
  if (length === 0) return NONE
  const items: T[] = []
  for (let i = 0; i < length; i++) items.push(read(reader))
  return items
}

const readKind = (reader: CborReader): string => reader.id('kind')
const readRef = (reader: CborReader): string => reader.text(LIMITS.ref_chars_max)

/** A written state pointer is parsed when conflicts are looked for: one that is none must not get that far. */
function readWrite(reader: CborReader): string {
  const ref = readRef(reader)
  if (ref.startsWith(STATE_REF)) parsePointer(ref.slice(STATE_REF.length))
  return ref
}

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
  const { forks, merges, migrates, reverts, schema } = notes
  if (forks !== undefined) {
    if (!Array.isArray(forks) || forks.length > LIMITS.forks_per_change_max)
      throw new TypeError('forks is not a list')
    for (const name of forks) checkId('branch', name)
  }
  if (merges !== undefined) {
    if (!isPlainObject(merges)) throw new TypeError('merges is not a map')
    for (const [name, heads] of Object.entries(merges)) {
      checkId('branch', name)
      if (!(heads instanceof Uint8Array)) throw new TypeError(`heads of merged branch ${name} are not bytes`)
      checkDeps(heads, 0, heads.length)
    }
  }
  if (reverts !== undefined) {
    if (!(reverts instanceof Uint8Array) || reverts.length === 0)
      throw new TypeError('reverts are not hashes')
    checkIds('reverts', LIMITS.reverts_per_change_max, reverts, 0, reverts.length)
  }
  if (schema !== undefined) {
    if (!isPlainObject(schema) || typeof schema.name !== 'string' || !Number.isSafeInteger(schema.version)) {
      throw new TypeError('schema is not a name and a version')
    }
  }
  checkLeaseNotes(notes.lease, notes.under)
  checkOverlayNotes(notes.publishes, notes.overlays)
  if (migrates !== undefined && !Number.isSafeInteger(migrates))
    throw new TypeError('migrates is not a version')
  for (const label of [notes.reason, notes.step, notes.trace]) {
    if (label !== undefined && (typeof label !== 'string' || label.length > LIMITS.label_chars_max)) {
      throw new TypeError('reason, step or trace is not a short text')
    }
  }
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

function checkDeps(bytes: Uint8Array, start: number, end: number): void {
  checkIds('deps', LIMITS.deps_max, bytes, start, end)
}

function checkIds(what: string, count_max: number, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start
  if (length % HASH_BYTES !== 0 || length > count_max * HASH_BYTES) {
    throw new RangeError(`${what} of ${length} bytes are not up to ${count_max} hashes`)
  }
  for (let at = start + HASH_BYTES; at < end; at += HASH_BYTES) {
    if (!ascends(bytes, at)) throw new RangeError(`${what} are not in ascending order, each once`)
  }
}

function ascends(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) {
    const difference = bytes[at + i]! - bytes[at - HASH_BYTES + i]!
    if (difference !== 0) return difference > 0
  }
  return false
}

/** The ids in hashes that stand end to end. */
export function unpackIds(packed: Uint8Array, start = 0, end = packed.length): ChangeId[] {
  const ids: ChangeId[] = []
  for (let at = start; at < end; at += HASH_BYTES) ids.push(toHex(packed, at, at + HASH_BYTES))
  return ids
}

export { NO_NOTES }
