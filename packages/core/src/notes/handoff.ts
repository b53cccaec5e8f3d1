import { encodeUtf8 } from '../base/bytes.js'
import { reasonOf, WeftError } from '../base/errors.js'
import { hexHash } from '../base/hash.js'
import {
  type Address,
  type BranchName,
  type ChangeId,
  checkId,
  formatAddress,
  isChangeId,
  type Position,
  parseAddress,
} from '../base/ids.js'
import { assertJson, canonicalJson, isPlainObject, type Json } from '../base/json.js'
import type { Hash } from '../base/ports.js'
import { checkOverlayNotes, type OverlaysNote } from '../refs/overlay-notes.js'

export const HANDOFF_VERSION = 1

/** What one worker hands to the next, on whatever queue there is (HND-1): plain JSON. */
export interface Handoff {
  readonly weft: 'handoff'
  readonly version: number
  /** `tenant:workflow:agent:position`: whose turn it was, and how far its log reached. */
  readonly address: string
  readonly branch: BranchName
  /** Of the branch, ascending. */
  readonly heads: readonly ChangeId[]
  readonly schema: { readonly name: string; readonly version: number }
  /** The peer's word for what its session had written and seen. */
  readonly session: string
  /** The overlays in force when it was handed over; null when its worker followed none. */
  readonly overlays: OverlaysNote | null
  /** The epoch of the lease that was given back with it; null when it had none. */
  readonly epoch: number | null
  /** What it wants its successor to have beside the context. */
  readonly carried: Json
  /** SHA-256 of the canonical JSON of all the rest. */
  readonly checksum: string
}

export type HandoffFields = Omit<Handoff, 'weft' | 'version' | 'checksum'>

export function sealHandoff(fields: HandoffFields, hash: Hash): Handoff {
  const body = { weft: 'handoff' as const, version: HANDOFF_VERSION, ...fields }
  return { ...body, checksum: checksumOf(body, hash) }
}

/**
 * Reads a handoff: the object, or its JSON text. It is checked whole before anything of it is used; its session is for
 * the peer to check.
 * @throws WEFT_HANDOFF_INVALID
 */
export function readHandoff(value: unknown, hash: Hash): Handoff & { readonly from: Address } {
  const handoff = typeof value === 'string' ? parse(value) : value
  if (!isPlainObject(handoff) || handoff.weft !== 'handoff') throw invalid('it is none')
  if (handoff.version !== HANDOFF_VERSION) {
    throw invalid(`it is of version ${String(handoff.version)}, and this build reads ${HANDOFF_VERSION}`)
  }
  const { checksum, ...body } = handoff
  try {
    assertJson(body)
    if (checksum !== checksumOf(body, hash)) throw new TypeError('it was altered: its checksum is another')
    return { ...checkFields(handoff), from: parseAddress(String(handoff.address)) }
  } catch (thrown) {
    throw invalid(reasonOf(thrown), thrown)
  }
}

function checkFields(handoff: Record<string, unknown>): Handoff {
  const { branch, heads, schema, session, overlays, epoch, carried } = handoff
  checkId('branch', branch)
  if (!Array.isArray(heads) || !heads.every(isChangeId)) throw new TypeError('its heads are no changes')
  if (!isPlainObject(schema) || typeof schema.name !== 'string' || !Number.isSafeInteger(schema.version)) {
    throw new TypeError('its schema is not a name and a version')
  }
  if (typeof session !== 'string') throw new TypeError('it has no session')
  if (overlays === undefined) throw new TypeError('it does not say what overlays were in force')
  if (overlays !== null) checkOverlayNotes(undefined, overlays)
  if (epoch !== null && !Number.isSafeInteger(epoch)) throw new TypeError('its epoch is no number')
  if (carried === undefined) throw new TypeError('it does not say what it carries')
  return handoff as unknown as Handoff
}

function checksumOf(body: Record<string, unknown>, hash: Hash): string {
  return hexHash(hash, encodeUtf8(canonicalJson(body as Json)))
}

/** @throws WEFT_HANDOFF_FOREIGN */
export function checkReceiver(from: Address, tenant: string | undefined): void {
  if (from.tenant === tenant) return
  throw new WeftError(
    'WEFT_HANDOFF_FOREIGN',
    `the handoff is of another tenant: ${formatAddress(from)}`,
    'resume it on a replica whose token is for that tenant',
    { address: formatAddress(from) },
  )
}

/**
 * Checks a handoff against the log that its session stands for, when that is known.
 * @param positionOf where a change stands in the log; undefined while it is not known to be there
 * @throws WEFT_HANDOFF_INVALID
 */
export function checkCarriedOver(
  { heads, from }: Pick<Handoff, 'heads'> & { readonly from: Address },
  positionOf: (id: ChangeId) => Position | undefined,
): void {
  for (const id of heads) {
    if ((positionOf(id) ?? Number.POSITIVE_INFINITY) <= from.position) continue
    throw invalid(
      `its head ${id.slice(0, 12)} is not in the log up to ${from.position}, where it says it was`,
    )
  }
}

/**
 * Checks that whoever resumes goes by no older overlays than the one who handed over.
 * @param followed the versions in force here; undefined for a worker that follows none
 * @throws WEFT_OVERLAY_UNKNOWN
 */
export function checkOverlays({ overlays }: Handoff, followed: OverlaysNote | undefined): void {
  for (const [name, version] of Object.entries(overlays ?? {})) {
    if ((followed?.[name] ?? 0) >= version) continue
    throw new WeftError(
      'WEFT_OVERLAY_UNKNOWN',
      `it was handed over under overlay ${name}@${version}, which is not in force here`,
      followed
        ? 'ask another peer, or look whether this one has lost the end of its log of overlays'
        : 'connect with `overlays: true`: who goes on has to go by them too',
      { name, version },
    )
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw invalid(reasonOf(thrown), thrown)
  }
}

function invalid(reason: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_HANDOFF_INVALID',
    `the handoff cannot be taken: ${reason}`,
    'pass it on exactly as `handoff()` made it; nothing was opened',
    {},
    { cause },
  )
}
