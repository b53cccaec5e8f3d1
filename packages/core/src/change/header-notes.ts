import { type BranchName, checkId } from '../base/ids.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { checkIds } from '../base/packed-ids.js'
import { checkLeaseNotes, type EpochsNote, type LeaseNote } from '../refs/lease-notes.js'
import { checkEnds } from '../refs/list-ends.js'
import { checkOverlayNotes, type OverlaysNote, type PublishNote } from '../refs/overlay-notes.js'
import { checkWakeNote, type WakeNote } from '../refs/wake-notes.js'
import { checkWindowRecords, type WindowRecord } from '../messages/window-record.js'

/** What a header may say beyond the causal metadata. Unknown keys are carried and ignored. */
export interface HeaderNotes {
  /** Branches that begin at this change, in the order of their forking. */
  readonly forks?: readonly BranchName[]
  /** Branches that end here without being merged, as far as the change has them in its past. */
  readonly abandons?: readonly BranchName[]
  /** The branches that this change merges, each with its heads (32 bytes a head). */
  readonly merges?: Readonly<Record<BranchName, Uint8Array>>
  readonly schema?: { readonly name: string; readonly version: number }
  /** The version of the schema that this change brings its branch from; `schema` is what it brings it to (HND-2). */
  readonly migrates?: number
  /** The changes that this one reverts (STP-4): 32 bytes each, ascending. It counts for those in its past alone. */
  readonly reverts?: Uint8Array
  /** The changes whose content this one erases (ERA-1): hashes as in `reverts`. They need not be in its past. */
  readonly erases?: Uint8Array
  /** Asks for a lease on what the change writes, or gives it back (HND-3). */
  readonly lease?: LeaseNote
  /** The epochs of the leases that its author held. */
  readonly under?: EpochsNote
  /** The causal range that the change's entry stands for (CMP-1): hashes as in `reverts`; `from` and its past are not in it. */
  readonly summary?: { readonly from: Uint8Array; readonly to: Uint8Array }
  /** What makes the windows again that the step saw (STP-2), on the heads that the change depends on. */
  readonly windows?: readonly WindowRecord[]
  /** Completes the workflow (TIR-2): all heads of the context that its author knew, 32 bytes each, ascending. */
  readonly completes?: Uint8Array
  /** Defines the subscription that `lease` gives back, or acknowledges what was claimed of it (WAK-1). */
  readonly wake?: WakeNote
  /** Puts a version of an overlay into force (OVL-1). */
  readonly publishes?: PublishNote
  /** The overlays that the step ran under (OVL-2). */
  readonly overlays?: OverlaysNote
  /** Marks of the lists to whose ends the change added, or took off them: where their ends were (list-ends.ts). */
  readonly ends?: readonly string[]
  readonly reason?: string
  /** The step that wrote the change, by its name. */
  readonly step?: string
  /** W3C traceparent of the work it was part of. */
  readonly trace?: string
  readonly [key: string]: unknown
}

/** Notes that also say at which ends of lists something was added or taken off. */
export function withEnds(notes: HeaderNotes, ends: readonly string[] = []): HeaderNotes {
  return ends.length === 0 ? notes : { ...notes, ends }
}

/** Checks the notes of a change that came from elsewhere. @throws TypeError · RangeError · WEFT_ID_INVALID */
export function checkNotes(notes: Record<string, unknown>): void {
  const { forks, abandons, merges, migrates, summary, schema, completes, reverts, erases } = notes
  if (forks !== undefined) checkNames('forks', forks)
  if (abandons !== undefined) checkNames('abandons', abandons)
  if (merges !== undefined) checkMerges(merges)
  if (reverts !== undefined) checkPacked('reverts', LIMITS.reverts_per_change_max, reverts, 1)
  if (erases !== undefined) checkPacked('erased changes', LIMITS.erases_per_change_max, erases, 1)
  if (completes !== undefined) checkPacked('completed heads', LIMITS.deps_max, completes)
  if (summary !== undefined) checkSummary(summary)
  if (notes.windows !== undefined) checkWindowRecords(notes.windows)
  if (schema !== undefined) checkSchema(schema)
  if (migrates !== undefined && !Number.isSafeInteger(migrates))
    throw new TypeError('migrates is not a version')
  if (notes.ends !== undefined) checkEnds(notes.ends)
  checkLeaseNotes(notes.lease, notes.under)
  checkWakeNote(notes.wake, notes.lease)
  checkOverlayNotes(notes.publishes, notes.overlays)
  for (const label of [notes.reason, notes.step, notes.trace]) {
    if (label !== undefined && (typeof label !== 'string' || label.length > LIMITS.label_chars_max)) {
      throw new TypeError('reason, step or trace is not a short text')
    }
  }
}

function checkNames(what: string, names: unknown): void {
  if (!Array.isArray(names) || names.length > LIMITS.branches_per_change_max)
    throw new TypeError(`${what} is not a list`)
  for (const name of names) checkId('branch', name)
}

function checkMerges(merges: unknown): void {
  if (!isPlainObject(merges)) throw new TypeError('merges is not a map')
  for (const [name, heads] of Object.entries(merges)) {
    checkId('branch', name)
    checkPacked(`heads of merged branch ${name}`, LIMITS.deps_max, heads)
  }
}

function checkSummary(summary: unknown): void {
  if (!isPlainObject(summary)) throw new TypeError('summary is not a range')
  for (const end of [summary.from, summary.to]) checkPacked('the ends of a summary', LIMITS.deps_max, end)
}

function checkSchema(schema: unknown): void {
  if (!isPlainObject(schema) || typeof schema.name !== 'string' || !Number.isSafeInteger(schema.version)) {
    throw new TypeError('schema is not a name and a version')
  }
}

function checkPacked(what: string, count_max: number, hashes: unknown, bytes_min = 0): void {
  if (!(hashes instanceof Uint8Array) || hashes.length < bytes_min)
    throw new TypeError(`${what} are not hashes`)
  checkIds(what, count_max, hashes, 0, hashes.length)
}
