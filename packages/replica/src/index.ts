export {
  ANY_CONTEXT,
  type AuditFilter,
  type AuditRecord,
  type Conflict,
  type ConflictValue,
  type ContextDefinition,
  type ContextEvent,
  defineContext,
  defineOverlay,
  type Enforcement,
  type Entry,
  type Filter,
  type Handoff,
  type MergeReport,
  type Migration,
  type OverlayDefinition,
  type OverlayRenderer,
  RETENTION_OVERLAY,
  REVOCATIONS_OVERLAY,
  type Resolution,
  type RetentionRule,
  type Revocations,
  type RevertPlan,
  type RevertTarget,
  schemaless,
  type Stale,
  type StaleCause,
  type StalePolicy,
  type TokenCounter,
  WeftError,
  type Window,
} from '@weft/core'
export type { Promotable, Scratch, ScratchAddress } from '@weft/scratch'
export type { CarriedClaim, Claim } from './claim.js'
export type { Gate } from './conflict-gate.js'
export type { Derivation, EntryOf, RecordedEffect } from './branch-reader.js'
export type { AbandonOptions, AppendOptions, Merge, WriteOptions } from './branch-editor.js'
export type { Proposed, ProposedAbandonment } from './branch-proposals.js'
export type { ForkProposalOptions, ProposeOptions, ResolutionProposalOptions } from './branch-proposer.js'
export type { BranchState, BranchStatus } from './branch-status.js'
export { Context } from './context.js'
export type { TokenSource } from './credential.js'
export type { DecideOptions, Decision } from './decide.js'
export type { DraftChange } from './draft-change.js'
export type { Recipe } from './recipe.js'
export type { EventsOptions } from './event-stream.js'
export type { ReplicaEvent, ReplicaListener } from './events.js'
export type { EffectCall, EffectOptions, Resolver } from './effects.js'
export type { EraseOptions, Erasure } from './erase.js'
export type { Expectations } from './expectations.js'
export type { HandoffOptions, Resumed, ResumeOptions } from './handoff.js'
export type { Lease, LeaseOptions } from './lease.js'
export type { ReplicaHost } from './node-host.js'
export type { Published, PublishOptions } from './overlay-publish.js'
export type { OverlayKey, OverlayValueOf, OverlayVersion } from './overlay-table.js'
export type { Overlays } from './overlays.js'
export type { Accepted } from './proposer.js'
export type { Receipt } from './receipt.js'
export type { Revert, RevertOptions } from './revert.js'
export { checkPeerUrl } from './peer-url.js'
export { type Revoked, type RevokeOptions, revokeTokens } from './revoke.js'
export {
  type ConnectOptions,
  connect,
  type OpenOptions,
  type Replica,
  type Unacknowledged,
} from './replica.js'
export type { Step } from './step.js'
export type { ShownOverlay } from './step-overlays.js'
export type { StepOptions, StepResult } from './step-run.js'
export type { Snapshot } from './snapshot.js'
export type { Summarizer, SummaryRange } from './summarize.js'
export { o200k } from './token-counter.js'
export type { SubscribeOptions } from './subscribe.js'
export type { ClaimOptions, Subscription, SubscriptionStatus } from './subscription.js'
export type { WaitOptions } from './waiting.js'
export type { StepWindowOptions, WindowOptions } from './windows.js'
