import { decodeUtf8, encodeUtf8, fromHex, hexEquals } from './bytes.js'
import { CborReader, CborWriter } from './cbor-cursor.js'
import { reasonOf, WeftError } from './errors.js'
import { decodeHeader, encodeHeader, type Header } from './header.js'
import type { ChangeId } from './ids.js'
import type { Json } from './json.js'
import { LIMITS } from './limits.js'
import type { Hash, Host } from './ports.js'

export const SALT_BYTES = 16

/**
 * The atomic unit of replication (CHG-1). `id` is the SHA-256 of `headerBytes`; the header holds the SHA-256 of each
 * part. A part that is null where the header has a hash is not here: not fetched, or erased.
 */
export interface Change {
  readonly id: ChangeId
  readonly header: Header
  readonly headerBytes: Uint8Array
  /** Salt, then the entries' values as a JSON array in UTF-8. */
  readonly entriesPart: Uint8Array | null
  /** Salt, then one Automerge change. */
  readonly statePart: Uint8Array | null
}

export interface ChangeDraft extends Omit<Header, 'entriesHash' | 'stateHash'> {
  readonly values: readonly Json[]
  readonly state: Uint8Array | null
}

/** Seals a draft: salts and hashes its parts, encodes its header. @throws WEFT_CHANGE_TOO_LARGE */
export function sealChange(draft: ChangeDraft, host: Pick<Host, 'hash' | 'random'>): Change {
  const { values, state, ...rest } = draft
  const entriesPart = values.length === 0 ? null : salted(encodeUtf8(JSON.stringify(values)), host)
  const statePart = state === null ? null : salted(state, host)
  const header: Header = {
    ...rest,
    entriesHash: entriesPart && fromHex(host.hash(entriesPart)),
    stateHash: statePart && fromHex(host.hash(statePart)),
  }
  const headerBytes = encodeHeader(header)
  const bytes = headerBytes.length + (entriesPart?.length ?? 0) + (statePart?.length ?? 0)
  if (bytes > LIMITS.change_bytes_max || headerBytes.length > LIMITS.header_bytes_max) throw tooLarge(bytes)
  return { id: host.hash(headerBytes), header, headerBytes, entriesPart, statePart }
}

function salted(payload: Uint8Array, host: Pick<Host, 'random'>): Uint8Array {
  const part = new Uint8Array(SALT_BYTES + payload.length)
  host.random(part.subarray(0, SALT_BYTES))
  part.set(payload, SALT_BYTES)
  return part
}

const writer = new CborWriter()

/** The form in which a change is stored and sent: a CBOR array of the header's bytes and the two parts' (or null). */
export function encodeChange(change: Change): Uint8Array {
  writer.array(3).byteString(change.headerBytes)
  writer.byteStringOrNull(change.entriesPart).byteStringOrNull(change.statePart)
  return writer.finish()
}

/**
 * Reads what `encodeChange` wrote and verifies it: the id is computed, the parts are checked against the header.
 * Views into `bytes` are kept, so the caller gives up ownership of them.
 * @throws WEFT_CHANGE_MALFORMED · WEFT_CHANGE_HASH · WEFT_CHANGE_TOO_LARGE
 */
export function decodeChange(bytes: Uint8Array, hash: Hash): Change {
  if (bytes.length > LIMITS.change_bytes_max + 64) throw tooLarge(bytes.length)
  const { headerBytes, entriesPart, statePart } = readFrame(bytes)
  const header = decodeHeader(headerBytes)
  checkPart('entries', entriesPart, header.entriesHash, hash)
  checkPart('state', statePart, header.stateHash, hash)
  return { id: hash(headerBytes), header, headerBytes, entriesPart, statePart }
}

function readFrame(bytes: Uint8Array): Pick<Change, 'headerBytes' | 'entriesPart' | 'statePart'> {
  try {
    const reader = new CborReader(bytes)
    if (reader.array(3) !== 3) throw new RangeError('a change has 3 items')
    const headerBytes = reader.byteString()
    const entriesPart = reader.byteStringOrNull()
    const statePart = reader.byteStringOrNull()
    reader.end()
    return { headerBytes, entriesPart, statePart }
  } catch (thrown) {
    throw new WeftError(
      'WEFT_CHANGE_MALFORMED',
      `the change cannot be read: ${reasonOf(thrown)}`,
      'send the exact bytes that its author made',
      {},
      { cause: thrown },
    )
  }
}

function checkPart(name: string, part: Uint8Array | null, expected: Uint8Array | null, hash: Hash): void {
  if (part === null) return
  if (expected !== null && part.length > SALT_BYTES && hexEquals(hash(part), expected)) return
  throw new WeftError(
    'WEFT_CHANGE_HASH',
    `the ${name} of the change do not match the hash in its header`,
    'the bytes were damaged or altered on the way: send them again from the author',
  )
}

/** The header's share of a change, its parts left out. */
export function headerOnly(change: Change): Change {
  return { ...change, entriesPart: null, statePart: null }
}

/** The values of a change's entries, or undefined when the part is not here. @throws WEFT_CHANGE_MALFORMED */
export function decodeEntries(change: Change): readonly Json[] | undefined {
  if (change.entriesPart === null) return change.header.kinds.length === 0 ? [] : undefined
  let values: unknown
  try {
    values = JSON.parse(decodeUtf8(change.entriesPart.subarray(SALT_BYTES)))
  } catch (thrown) {
    throw badEntries(change.id, reasonOf(thrown))
  }
  if (!Array.isArray(values) || values.length !== change.header.kinds.length) {
    throw badEntries(change.id, `not a list of ${change.header.kinds.length} values`)
  }
  return values
}

function badEntries(id: ChangeId, reason: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_MALFORMED',
    `the entries of change ${id.slice(0, 12)} cannot be read: ${reason}`,
    'the author wrote something that is not a JSON array in UTF-8: fix the author',
    { change: id },
  )
}

/** The Automerge change a change carries, or null. */
export function stateBytes(change: Change): Uint8Array | null {
  return change.statePart === null ? null : change.statePart.subarray(SALT_BYTES)
}

function tooLarge(bytes: number): WeftError {
  return new WeftError(
    'WEFT_CHANGE_TOO_LARGE',
    `the change has ${bytes} bytes; at most ${LIMITS.change_bytes_max} (header: ${LIMITS.header_bytes_max}) are allowed`,
    'store large content elsewhere and put a reference to it into the entry, or split it into several changes',
    { bytes },
  )
}

