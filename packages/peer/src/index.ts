export { type CloudEvent, cloudEvent, EVENT_TYPE } from './cloud-event.js'
export { type ContextList, listContexts } from './context-list.js'
export { DEFAULT_LIMITS, type PeerLimits } from './limits.js'
export { DEFAULT_PORT, type DrainReport, type Peer, type PeerOptions, startPeer } from './peer.js'
export {
  DEFAULT_AUDIENCE,
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
