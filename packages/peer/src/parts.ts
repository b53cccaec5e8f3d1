/** What a program may need of a peer that runs none: whoever takes only this does not load a server. */
export { type ContextList, listContexts } from './tenants/context-list.js'
export { DEFAULT_AUDIENCE, DEFAULT_PORT } from './base/defaults.js'
export { DEFAULT_LIMITS, type PeerLimits } from './base/limits.js'
export type { TenantQuota } from './base/quota.js'
