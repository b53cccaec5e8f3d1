export { abandon, checkAbandonable } from './abandon.js'
export { Admission } from './admission.js'
export { type AuditFilter, type AuditRecord, audit } from './audit.js'
export { checkSchema, isOlder, migratedState, migrationOf } from './branch-migration.js'
export { BranchWriter, newActor, unknownBranch, type Write } from './branch-writer.js'
export { compareText, decodeUtf8, encodeUtf8, fromHex, toHex } from './bytes.js'
export { CborWriter } from './cbor-cursor.js'
export { apart, Change, decodeChange, sealChange } from './change.js'
export { ChangeSet } from './change-set.js'
export { CommitIndex } from './commit-index.js'
export { committedHeads, headsAt } from './committed-heads.js'
export {
  type Conflict,
  type ConflictValue,
  findConflicts,
} from './conflicts.js'
export { Dag } from './dag.js'
export { NO_NODE, type Node } from './node.js'
export { equivocation } from './dag-errors.js'
export { derivedFrom } from './derivation.js'
export { digest } from './digest.js'
export type { Entry, Tier } from './entry.js'
export type { EntriesOptions } from './entry-lists.js'
export { type EraseOptions, type ErasePlan, erasureOf, planErasure } from './erase-plan.js'
export { type ErasedLog, erasedLog } from './erased-log.js'
export { checkComplete, type Erased, Erasures } from './erasures.js'
export { type ErrorCode, type ErrorDetails, isWeftError, reasonOf, WeftError } from './errors.js'
export {
  type ContextEvent,
  contextEvent,
  type EventEntry,
  type EventRange,
  type LogReader,
  nextRange,
  type RangeBounds,
} from './events.js'
export { checkFilter, type Filter } from './filter.js'
export { matchesFilter } from './filter-match.js'
export type { FlattenOrder } from './flatten-order.js'
export { withDescendants } from './frontier.js'
export { checkStandIn, standInsOf } from './stand-in.js'
export { genesis } from './genesis.js'
export {
  checkCarriedOver,
  checkOverlays,
  checkReceiver,
  type Handoff,
  type HandoffFields,
  readHandoff,
  sealHandoff,
} from './handoff.js'
export { HASH_BYTES, hashFromLatin1, hexHash } from './hash.js'
export { Header, type HeaderNotes, type ManifestRef, unpackIds } from './header.js'
export * from './ids.js'
export { Intake, type IntakeResult } from './intake.js'
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
} from './json.js'
export { checkLeaseLength, LEASE_MS_MAX } from './lease-errors.js'
export { branchRef, effectRef, subscriptionOf, wakeRef } from './lease-refs.js'
export { type Lease, Leases } from './leases.js'
export { lastWriters } from './last-writers.js'
export { LIMITS } from './limits.js'
export { type MovedFrom, movedLists } from './list-alignment.js'
export {
  checkPlace,
  type Move,
  moveIn,
  moveMark,
  namesItem,
  sayWritten,
  writtenTouches,
} from './list-marks.js'
export { type MergedBranch, type MergeReport, mergeReport } from './merge.js'
export { EFFECT_KIND, isEngineKind, SUMMARY_KIND } from './engine-kinds.js'
export { engineOverlay } from './engine-overlays.js'
export { embeddedOverlays } from './overlay-embeds.js'
export { type OlderOverlay, overlayStale } from './overlay-errors.js'
export { type OverlayHolder, OverlayLeases } from './overlay-leases.js'
export { ENFORCEMENTS, type Enforcement, type OverlaysNote, type PublishNote } from './overlay-notes.js'
export {
  defineOverlay,
  type OverlayDefinition,
  type OverlayRenderer,
  validateOverlay,
} from './overlay-schema.js'
export {
  type ChangeGate,
  OVERLAY_KIND,
  type OverlayInForce,
  Overlays,
  overlayGate,
  overlayRef,
} from './overlays.js'
export * from './ports.js'
export * from './store.js'
export type { Moved, Preconditions } from './preconditions.js'
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
} from './ref.js'
export { findResolutions, type Resolution } from './resolutions.js'
export {
  checkRetentionRule,
  RETENTION_OVERLAY,
  type Retention,
  type RetentionRule,
  retentionOf,
} from './retention.js'
export {
  checkRevocations,
  isRevoked,
  NOTHING_REVOKED,
  REVOCATIONS_OVERLAY,
  type Revocations,
  type TokenIdentity,
} from './revocations.js'
export { EMPTY_LOG, extendRunningHash, type RunningHash, wholeLog } from './running-hash.js'
export { planRevert, type RevertPlan, type RevertTarget } from './revert.js'
export { type KeptPointer, type RevertedPointer, withPointers } from './revert-state.js'
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
} from './schema.js'
export { type EffectOutcome, readOutcome } from './side-effects.js'
export type { SchemaVersion } from './schemas.js'
export { type BlastRadius, CAUSES_TOLD_MAX, type Stale, type StaleCause, type StaleKind } from './stale.js'
export { Staleness } from './staleness.js'
export { StateDoc } from './state-doc.js'
export { StateForms } from './state-forms.js'
export { badState } from './automerge-columns.js'
export { readStateChunk, type StateChunk } from './automerge-chunk.js'
export { StateLedger } from './state-ledger.js'
export { TrialDoc } from './state-trial.js'
export { rangeBetween } from './summaries.js'
export { View } from './view.js'
export { type IncludedEntry, type LeftOutEntry, type Window, Windows } from './window.js'
export type { WindowTier } from './window-build.js'
export type { WindowFormat } from './window-formats.js'
export type { Message, Part, Role } from './window-message.js'
export { resolveOptions, type TokenCounter, type WindowOptions } from './window-options.js'
export type { Pins, StalePolicy, WindowRecipe } from './window-recipe.js'
export type { ToldOverlay } from './window-overlays.js'
export type { LeftOutWhy } from './window-plan.js'
export { fewestReads } from './fewest-reads.js'
export { recordOf, type WindowRecord } from './window-record.js'
export { remakeWindow, type WindowTools } from './window-remake.js'
export type { Renderers } from './window-render.js'
export { unreached, wakeNote } from './wakes.js'
export { type OwnMark, sealMark } from './wake-author.js'
export { sealJoin } from './join-author.js'
export { WEFT_AGENT } from './derived-change.js'
