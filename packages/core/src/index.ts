export { compareText, decodeUtf8, encodeUtf8, fromHex, toHex } from './base/bytes.js'
export { CborWriter } from './base/cbor-cursor.js'
export { type ErrorCode, type ErrorDetails, isWeftError, reasonOf, WeftError } from './base/errors.js'
export type { FlattenOrder } from './base/flatten-order.js'
export { HASH_BYTES, hashFromLatin1, hexHash } from './base/hash.js'
export * from './base/ids.js'
export {
  assertJson,
  canonicalJson,
  checkPointer,
  childPointer,
  deepFreeze,
  type Json,
  type JsonObject,
  hasHalfPair,
  jsonEquals,
  parsePointer,
  pointersTouch,
  valueAt,
} from './base/json.js'
export { LIMITS } from './base/limits.js'
export { type MovedFrom, movedLists } from './base/list-alignment.js'
export { NO_NODE, type Node } from './base/node.js'
export * from './base/ports.js'

export { EFFECT_KIND, isEngineKind, SUMMARY_KIND } from './refs/engine-kinds.js'
export { checkFilter, type Filter } from './refs/filter.js'
export { branchRef, effectRef, subscriptionOf, wakeRef } from './refs/lease-refs.js'
export {
  checkPlace,
  type Move,
  moveIn,
  moveMark,
  namesItem,
  sayWritten,
  writtenTouches,
} from './refs/list-marks.js'
export { ENFORCEMENTS, type Enforcement, type OverlaysNote, type PublishNote } from './refs/overlay-notes.js'
export {
  entryOf,
  entryRef,
  formatRef,
  parseRef,
  pointerOf,
  pointersOf,
  sayRef,
  stateRef,
  touches,
  type VersionedRef,
} from './refs/ref.js'

export type { WindowFormat } from './messages/window-formats.js'
export type { Message, Part, Role } from './messages/window-message.js'
export type { Pins, StalePolicy, WindowRecipe } from './messages/window-recipe.js'
export { recordOf, type WindowRecord } from './messages/window-record.js'

export { apart, Change, decodeChange, sealChange } from './change/change.js'
export {
  type ContextEvent,
  contextEvent,
  type EventEntry,
  type EventRange,
  type LogReader,
  nextRange,
  type RangeBounds,
} from './change/events.js'
export { matchesFilter } from './change/filter-match.js'
export { Header, type HeaderNotes, type ManifestRef, unpackIds } from './change/header.js'
export { EMPTY_LOG, extendRunningHash, type RunningHash, wholeLog } from './change/running-hash.js'
export * from './change/store.js'

export { CommitIndex } from './graph/commit-index.js'
export { equivocation } from './graph/dag-errors.js'
export { Dag } from './graph/dag.js'
export { withDescendants } from './graph/frontier.js'
export { View } from './graph/view.js'

export { readStateChunk, type StateChunk } from './automerge/automerge-chunk.js'
export { badState } from './automerge/automerge-columns.js'
export { checkStandIn, standInsOf } from './automerge/stand-in.js'
export { StateForms } from './automerge/state-forms.js'
export { StateLedger } from './automerge/state-ledger.js'
export { TrialDoc } from './automerge/state-trial.js'

export { type ErasedLog, erasedLog } from './notes/erased-log.js'
export { checkComplete, type Erased, Erasures } from './notes/erasures.js'
export {
  checkCarriedOver,
  checkOverlays,
  checkReceiver,
  type Handoff,
  type HandoffFields,
  readHandoff,
  sealHandoff,
} from './notes/handoff.js'
export { checkLeaseLength, LEASE_MS_MAX } from './notes/lease-errors.js'
export { type Lease, Leases } from './notes/leases.js'
export type { SchemaVersion } from './notes/schemas.js'
export { type EffectOutcome, readOutcome } from './notes/side-effects.js'
export { rangeBetween } from './notes/summaries.js'
export { unreached, wakeNote } from './notes/wakes.js'

export { Admission } from './set/admission.js'
export { type AuditFilter, type AuditRecord, audit } from './set/audit.js'
export { ChangeSet } from './set/change-set.js'
export { committedHeads, headsAt } from './set/committed-heads.js'
export type { EntriesOptions } from './set/entry-lists.js'
export type { Entry, Tier } from './set/entry.js'
export { fewestReads } from './set/fewest-reads.js'
export { Intake, type IntakeResult } from './set/intake.js'
export type { Moved, Preconditions } from './set/preconditions.js'

export {
  type Conflict,
  type ConflictValue,
  findConflicts,
} from './state/conflicts.js'
export { digest } from './state/digest.js'
export { lastWriters } from './state/last-writers.js'
export { findResolutions, type Resolution } from './state/resolutions.js'
export { StateDoc } from './state/state-doc.js'

export {
  type BlastRadius,
  CAUSES_TOLD_MAX,
  type Stale,
  type StaleCause,
  type StaleKind,
} from './staleness/stale.js'
export { Staleness } from './staleness/staleness.js'

export {
  defineOverlay,
  type OverlayDefinition,
  type OverlayRenderer,
  validateOverlay,
} from './definitions/overlay-schema.js'
export {
  ANY_CONTEXT,
  type AnySchema,
  type ContextDefinition,
  defineContext,
  type EntrySchemas,
  type InputOf,
  type KindOf,
  type Migration,
  schemaless,
  type ValueOf,
  validateEntry,
  validateState,
} from './definitions/schema.js'
export type { Renderers } from './definitions/window-render.js'

export { engineOverlay } from './overlays/engine-overlays.js'
export { embeddedOverlays } from './overlays/overlay-embeds.js'
export { type OlderOverlay, overlayStale } from './overlays/overlay-errors.js'
export { type OverlayHolder, OverlayLeases } from './overlays/overlay-leases.js'
export {
  type ChangeGate,
  OVERLAY_KIND,
  type OverlayInForce,
  Overlays,
  overlayGate,
  overlayRef,
} from './overlays/overlays.js'
export {
  checkRetentionRule,
  RETENTION_OVERLAY,
  type Retention,
  type RetentionRule,
  retentionOf,
} from './overlays/retention.js'
export {
  checkRevocations,
  isRevoked,
  NOTHING_REVOKED,
  REVOCATIONS_OVERLAY,
  type Revocations,
  type TokenIdentity,
} from './overlays/revocations.js'

export { abandon, checkAbandonable } from './authors/abandon.js'
export { checkSchema, isOlder, migratedState, migrationOf } from './authors/branch-migration.js'
export { BranchWriter, newActor, unknownBranch, type Write } from './authors/branch-writer.js'
export { WEFT_AGENT } from './authors/derived-change.js'
export { genesis } from './authors/genesis.js'
export { sealJoin } from './authors/join-author.js'
export { type MergedBranch, type MergeReport, mergeReport } from './authors/merge.js'
export { type OwnMark, sealMark } from './authors/wake-author.js'

export { derivedFrom } from './undoing/derivation.js'
export { type EraseOptions, type ErasePlan, erasureOf, planErasure } from './undoing/erase-plan.js'
export { type KeptPointer, type RevertedPointer, withPointers } from './undoing/revert-state.js'
export { planRevert, type RevertPlan, type RevertTarget } from './undoing/revert.js'

export type { WindowTier } from './window/window-build.js'
export { resolveOptions, type TokenCounter, type WindowOptions } from './window/window-options.js'
export type { ToldOverlay } from './window/window-overlays.js'
export type { LeftOutWhy } from './window/window-plan.js'
export { remakeWindow, type WindowTools } from './window/window-remake.js'
export { type IncludedEntry, type LeftOutEntry, type Window, Windows } from './window/window.js'
