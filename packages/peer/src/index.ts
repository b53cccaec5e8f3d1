export { type CloudEvent, cloudEvent, EVENT_TYPE } from './cloud-event.js'
export { type ContextList, listContexts } from './context-list.js'
export { DEFAULT_AUDIENCE, DEFAULT_PORT } from './defaults.js'
export type { DroppedTenant } from './drop.js'
export { DEFAULT_LIMITS, type PeerLimits } from './limits.js'
export { type FeedHost, Feeds } from './feeds.js'
export { LogPages } from './log-pages.js'
export { InlineTrial } from './inline-trial.js'
export { listenError } from './listen-error.js'
export { type DrainReport, type Peer, type PeerOptions, startPeer } from './peer.js'
export { type Page, PageCache, sizeOf as sizeOfPage } from './page-cache.js'
export { type PeerMetrics, peerMetrics } from './peer-metrics.js'
export { PeerService, type ServiceHooks, type ServiceOptions } from './service.js'
export type { SessionMark, SessionSigner } from './session-tokens.js'
export { type StateTrial, type TrialAnswer, TrialFailed, type TrialQuestion } from './state-trial.js'
export { TrialLanes } from './trial-lanes.js'
export { type TrialLog, TrialQueue } from './trial-queue.js'
export type { TrialBounds } from './trial-thread.js'
export { type Problem, problemHeaders, problemOf, problemResponse, problemText } from './problem.js'
export { STATUS_OF } from './problem-status.js'
export {
  signToken,
  type TokenGrant,
  type TokenKey,
  type TokenRequest,
  type TokenVerifier,
  tokenVerifier,
} from './token.js'
export {
  planRetention,
  type Removal,
  type RetentionPlan,
  type RetentionRun,
  retentionRuleOf,
} from './retention.js'
export type { WebhookConfig } from './webhook-config.js'
export type { DeliveryStatus } from './webhook-delivery.js'
export {
  ENGINE_RESERVE_BYTES,
  HOUSEKEEPING_RESERVE_BYTES,
  type TenantQuota,
  type TenantStanding,
} from './quota.js'
export { TokenBucket } from './rates.js'
export { FairQueue, type Flow, RoundRobin } from './fair-queue.js'
export { SLICE_COST, type Soon, Turns } from './turns.js'
export { type WriteShare, WriteShares } from './write-shares.js'
export { WriteWatch, type WriteWatcher } from './write-watch.js'
