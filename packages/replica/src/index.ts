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

export type { BranchState, BranchStatus } from './base/branch-status.js'
export type { TokenSource } from './base/credential.js'
export type { ReplicaEvent, ReplicaListener } from './base/events.js'
export type { ReplicaHost } from './base/node-host.js'
export type { Receipt } from './base/receipt.js'
export type { Snapshot } from './base/snapshot.js'
export { o200k } from './base/token-counter.js'
export type { WaitOptions } from './base/waiting.js'

export type { Expectations } from './sync/expectations.js'

export type { OverlayKey, OverlayValueOf, OverlayVersion } from './overlays/overlay-table.js'
export type { ShownOverlay } from './overlays/step-overlays.js'

export type { Derivation, EntryOf, RecordedEffect } from './reading/branch-reader.js'
export type { Gate } from './reading/conflict-gate.js'
export type { EventsOptions } from './reading/event-stream.js'
export type { Recipe } from './reading/recipe.js'
export type { Revert, RevertOptions } from './reading/revert.js'
export type { StepWindowOptions, WindowOptions } from './reading/windows.js'

export type { Proposed, ProposedAbandonment } from './writing/branch-proposals.js'
export type { DecideOptions, Decision } from './writing/decide.js'
export type { DraftChange } from './writing/draft-change.js'
export type { EraseOptions, Erasure } from './writing/erase.js'
export type { Accepted } from './writing/proposer.js'
export type { Summarizer, SummaryRange } from './writing/summarize.js'

export type { HandoffOptions, Resumed, ResumeOptions } from './leases/handoff.js'
export type { Lease, LeaseOptions } from './leases/lease.js'

export type { CarriedClaim, Claim } from './subscriptions/claim.js'
export type { SubscribeOptions } from './subscriptions/subscribe.js'
export type { ClaimOptions, Subscription, SubscriptionStatus } from './subscriptions/subscription.js'

export type { EffectCall, EffectOptions, Resolver } from './steps/effects.js'
export type { StepOptions, StepResult } from './steps/step-run.js'
export type { Step } from './steps/step.js'

export type { AbandonOptions, AppendOptions, Merge, WriteOptions } from './handles/branch-editor.js'
export type {
  ForkProposalOptions,
  ProposeOptions,
  ResolutionProposalOptions,
} from './handles/branch-proposer.js'
export { Context } from './handles/context.js'
export type { Published, PublishOptions } from './handles/overlay-publish.js'
export type { Overlays } from './handles/overlays.js'

export { checkPeerUrl } from './peer-url.js'
export {
  type ConnectOptions,
  connect,
  type OpenOptions,
  type Replica,
  type Unacknowledged,
} from './replica.js'
export { type Revoked, type RevokeOptions, revokeTokens } from './revoke.js'
