import { hasBytesAt, toHex } from '../base/bytes.js'
import { ABSENT, CborReader, CborWriter } from '../base/cbor-cursor.js'
import { reasonOf, WeftError } from '../base/errors.js'
import { HASH_BYTES } from '../base/hash.js'
import type { ChangeId } from '../base/ids.js'
import { JsonWriter } from '../base/json-writer.js'
import { assertJson, type Json, parseJson } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import type { Hash, Host } from '../base/ports.js'
import { Header, type HeaderFields, type HeaderNotes, writeHeader } from './header.js'

export const SALT_BYTES = 16
/** Three, and of a change whose state was erased four. */
const FRAME_ITEMS_MAX = 4

/**
 * The atomic unit of replication (CHG-1): a header and up to two salted parts, as one run of bytes that is stored and
 * sent as its author made it: a CBOR array of three byte strings, absent parts being null.
 *
 * `id` is the SHA-256 of the header's bytes, and the header holds the SHA-256 of each part. The entries part is salt,
 * then the values as a JSON array in UTF-8; the state part is salt, then one Automerge change.
 *
 * One whose content was erased (ERA-1) lacks the parts that its header names. Where it lacks its state, a fourth byte
 * string stands in for that (stand-in.ts): no hash of the header covers it, the change that erases does.
 */
export class Change {
  #id: ChangeId | undefined

  /** @param ids where the id's bytes lie, from `idAt` on */
  constructor(
    readonly ids: Uint8Array,
    readonly idAt: number,
    readonly bytes: Uint8Array,
    readonly header: Header,
    private readonly entriesAt: number,
    private readonly entriesEnd: number,
    private readonly stateAt: number,
    private readonly stateEnd: number,
    private readonly standInAt: number = ABSENT,
    private readonly standInEnd: number = ABSENT,
  ) {}

  /** Spelled when it is first asked for. */
  get id(): ChangeId {
    this.#id ??= toHex(this.ids, this.idAt, this.idAt + HASH_BYTES)
    return this.#id
  }

  /** Whether both parts that the header names are here. */
  get complete(): boolean {
    return !this.lacksEntries && !this.lacksState
  }

  /** Whether its header names entries that are not here. */
  get lacksEntries(): boolean {
    return this.entriesAt === ABSENT && this.header.entriesHashAt !== ABSENT
  }

  get lacksState(): boolean {
    return this.stateAt === ABSENT && this.header.stateHashAt !== ABSENT
  }

  /** The Automerge change it carries, or null. */
  get state(): Uint8Array | null {
    return this.stateAt === ABSENT ? null : this.bytes.subarray(this.stateAt + SALT_BYTES, this.stateEnd)
  }

  /** What stands in for its state, as stand-in.ts writes it, or null. */
  get standIn(): Uint8Array | null {
    return this.standInAt === ABSENT ? null : this.bytes.subarray(this.standInAt, this.standInEnd)
  }

  /** The values of its entries, read anew at each call; none when they are not here. @throws WEFT_CHANGE_MALFORMED */
  values(): readonly Json[] {
    const { kinds } = this.header
    if (this.entriesAt === ABSENT) return []
    let values: unknown
    try {
      values = parseJson(this.bytes, this.entriesAt + SALT_BYTES, this.entriesEnd)
      if (Array.isArray(values)) for (const value of values) assertJson(value)
    } catch (thrown) {
      throw malformed(`its entries are not JSON that Weft writes: ${reasonOf(thrown)}`, thrown)
    }
    if (Array.isArray(values) && values.length === kinds.length) return values
    throw malformed(`its entries are not a list of ${kinds.length} values`)
  }
}

export interface ChangeDraft extends HeaderFields {
  readonly values: readonly Json[]
  readonly state: Uint8Array | null
}

const entriesWriter = new JsonWriter()
const frameWriter = new CborWriter()
/**
 * Used again for every change: V8 drops, at each full collection, the code it has optimized for a class that has no
 * instance at that moment, and a merge would go on with slow code after each.
 */
const frameReader = new CborReader()
const headerReader = new CborReader()

const partHash = new Uint8Array(HASH_BYTES)

/** Ids lie end to end in slabs that many changes share: a string for each would cost more than to compute it. */
const IDS_BYTES = 256 * HASH_BYTES
let ids = new Uint8Array(IDS_BYTES)
let idsEnd = 0

function nextIdAt(): number {
  if (idsEnd === IDS_BYTES) {
    ids = new Uint8Array(IDS_BYTES)
    idsEnd = 0
  }
  idsEnd += HASH_BYTES
  return idsEnd - HASH_BYTES
}

/**
 * Seals a draft: salts and hashes its parts, encodes its header.
 * @param writer of the context that it is for: its bytes lie with others of that, and are let go of with them
 * @throws WEFT_CHANGE_TOO_LARGE
 */
export function sealChange(
  draft: ChangeDraft,
  host: Pick<Host, 'hash' | 'random'>,
  writer: CborWriter = frameWriter,
): Change {
  const entries = draft.values.length === 0 ? null : saltedEntries(draft.values, host)
  const state = draft.state === null ? null : saltedState(draft.state, host)
  const opened = writer.reset().array(3).open()
  writeHeader(writer, draft, host.hash, entries, state)
  const headerBytes = writer.close(opened)
  writer.byteStringOrNull(entries).byteStringOrNull(state)
  if (writer.length > LIMITS.change_bytes_max || headerBytes > LIMITS.header_bytes_max) {
    throw tooLarge(writer.length)
  }
  try {
    return readChange(writer.take(), host.hash, false, draft.notes)
  } catch (thrown) {
    throw thrown instanceof WeftError ? thrown : beyondLimit(reasonOf(thrown))
  }
}

function saltedEntries(values: readonly Json[], host: Pick<Host, 'random'>): Uint8Array {
  const part = entriesWriter.write(SALT_BYTES, values)
  host.random(part, 0, SALT_BYTES)
  return part
}

function saltedState(state: Uint8Array, host: Pick<Host, 'random'>): Uint8Array {
  const part = new Uint8Array(SALT_BYTES + state.length)
  host.random(part, 0, SALT_BYTES)
  part.set(state, SALT_BYTES)
  return part
}

/** Writes over what is left of entries that were sealed, whosever they are. */
export function forgetSealed(): void {
  entriesWriter.forget()
}

/** The same change, of bytes that nothing else lies beside. */
export function apart(change: Change, hash: Hash): Change {
  const { bytes, header } = change
  return bytes.length === bytes.buffer.byteLength
    ? change
    : readChange(bytes.slice(), hash, false, header.notes)
}

/**
 * A change without its entries and, if something stands in for that, without its state. Its id is what it was: the
 * header's bytes are the same.
 * @param standIn what is to stand in for its state; null leaves the state as it is
 */
export function withoutContent(change: Change, standIn: Uint8Array | null, hash: Hash): Change {
  const { bytes, header } = change
  const reader = frameReader.reset(bytes, 0, bytes.length)
  reader.array(FRAME_ITEMS_MAX)
  const headerAt = reader.byteString()
  const headerBytes = bytes.subarray(headerAt, reader.at)
  reader.byteStringOrNull()
  const stateAt = reader.byteStringOrNull()
  const state = stateAt === ABSENT || standIn !== null ? null : bytes.subarray(stateAt, reader.at)
  const stands = standIn ?? change.standIn
  frameWriter.reset().array(stands === null ? 3 : FRAME_ITEMS_MAX)
  frameWriter.byteString(headerBytes).byteStringOrNull(null).byteStringOrNull(state)
  if (stands !== null) frameWriter.byteString(stands)
  return readChange(frameWriter.take(), hash, false, header.notes)
}

/**
 * Reads and verifies a change that came from elsewhere. It keeps `bytes`, so the caller gives up ownership of them.
 * @throws WEFT_CHANGE_MALFORMED · WEFT_CHANGE_HASH · WEFT_CHANGE_TOO_LARGE
 */
export function decodeChange(bytes: Uint8Array, hash: Hash): Change {
  if (bytes.length > LIMITS.change_bytes_max) throw tooLarge(bytes.length)
  try {
    return readChange(bytes, hash, true)
  } catch (thrown) {
    throw thrown instanceof WeftError && thrown.code.startsWith('WEFT_CHANGE_')
      ? thrown
      : malformed(reasonOf(thrown), thrown)
  }
}

function readChange(bytes: Uint8Array, hash: Hash, verify: boolean, notes?: HeaderNotes): Change {
  const reader = frameReader.reset(bytes, 0, bytes.length)
  const items = reader.array(FRAME_ITEMS_MAX)
  if (items < 3) throw new RangeError('a change has 3 items')
  const headerAt = reader.byteString()
  const headerEnd = reader.at
  const header = new Header(bytes, headerReader.reset(bytes, headerAt, headerEnd), notes)
  const entriesAt = reader.byteStringOrNull()
  const entriesEnd = reader.at
  const stateAt = reader.byteStringOrNull()
  const stateEnd = reader.at
  const standInAt = items === FRAME_ITEMS_MAX ? reader.byteString() : ABSENT
  const standInEnd = reader.at
  reader.finish()
  if (standInAt !== ABSENT && (stateAt !== ABSENT || header.stateHashAt === ABSENT)) {
    throw new RangeError('something stands in for a state that is here, or never was')
  }
  if (verify && entriesAt !== ABSENT)
    checkPart('entries', bytes, entriesAt, entriesEnd, header.entriesHashAt, hash)
  if (verify && stateAt !== ABSENT) checkPart('state', bytes, stateAt, stateEnd, header.stateHashAt, hash)
  const idAt = nextIdAt()
  hash(bytes.subarray(headerAt, headerEnd), ids, idAt)
  return new Change(ids, idAt, bytes, header, entriesAt, entriesEnd, stateAt, stateEnd, standInAt, standInEnd)
}

function checkPart(
  name: string,
  bytes: Uint8Array,
  at: number,
  end: number,
  hashAt: number,
  hash: Hash,
): void {
  if (hashAt !== ABSENT && end - at > SALT_BYTES) {
    hash(bytes.subarray(at, end), partHash, 0)
    if (hasBytesAt(partHash, bytes, hashAt)) return
  }
  throw new WeftError(
    'WEFT_CHANGE_HASH',
    `the ${name} of the change do not match the hash in its header`,
    'the bytes were damaged or altered on the way: send them again from the author',
  )
}

function malformed(reason: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_CHANGE_MALFORMED',
    `the change cannot be read: ${reason}`,
    'send the exact bytes that its author made; if the author is of a newer version, upgrade this side first',
    {},
    { cause },
  )
}

function beyondLimit(reason: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `the change is beyond a limit: ${reason}`,
    'split it into several changes, and shorten keys and refs',
  )
}

function tooLarge(bytes: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `the change has ${bytes} bytes; at most ${LIMITS.change_bytes_max} (header: ${LIMITS.header_bytes_max}) are allowed`,
    'store large content elsewhere and put a reference to it into the entry, or split it into several changes',
    { bytes },
  )
}
