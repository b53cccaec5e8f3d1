export { DEFAULT_AUDIENCE, DEFAULT_PORT } from './base/defaults.js'
export { DEFAULT_LIMITS, type PeerLimits } from './base/limits.js'
export { type Page, PageCache, sizeOf as sizeOfPage } from './base/page-cache.js'
export { type PeerMetrics, peerMetrics } from './base/peer-metrics.js'
export {
  ENGINE_RESERVE_BYTES,
  HOUSEKEEPING_RESERVE_BYTES,
  type TenantQuota,
  type TenantStanding,
} from './base/quota.js'
export { TokenBucket } from './base/rates.js'

export type { SessionMark, SessionSigner } from './tokens/session-tokens.js'
export {
  signToken,
  type TokenGrant,
  type TokenKey,
  type TokenRequest,
  type TokenVerifier,
  tokenVerifier,
} from './tokens/token.js'

export { FairQueue, type Flow, RoundRobin } from './turns/fair-queue.js'
export { SLICE_COST, type Soon, Turns } from './turns/turns.js'
export { type WriteShare, WriteShares } from './turns/write-shares.js'
export { WriteWatch, type WriteWatcher } from './turns/write-watch.js'

export { InlineTrial } from './trials/inline-trial.js'
export { type StateTrial, type TrialAnswer, TrialFailed, type TrialQuestion } from './trials/state-trial.js'
export { TrialLanes } from './trials/trial-lanes.js'
export { type TrialLog, TrialQueue } from './trials/trial-queue.js'
export type { TrialBounds } from './trials/trial-thread.js'

export { LogPages } from './log/log-pages.js'

export { type ContextList, listContexts } from './tenants/context-list.js'
export type { DroppedTenant } from './tenants/drop.js'
export {
  planRetention,
  type Removal,
  type RetentionPlan,
  type RetentionRun,
  retentionRuleOf,
} from './tenants/retention.js'

export { type CloudEvent, cloudEvent, EVENT_TYPE } from './http/cloud-event.js'
export { type FeedHost, Feeds } from './http/feeds.js'
export { listenError } from './http/listen-error.js'
export { STATUS_OF } from './http/problem-status.js'
export { type Problem, problemHeaders, problemOf, problemResponse, problemText } from './http/problem.js'
export type { WebhookConfig } from './http/webhook-config.js'
export type { DeliveryStatus } from './http/webhook-delivery.js'

export { type DrainReport, type Peer, type PeerOptions, startPeer } from './peer.js'
export { PeerService, type ServiceHooks, type ServiceOptions } from './service.js'
