/** Bounds of one gateway. */
export interface GatewayLimits {
  /** Of a request's body. */
  readonly body_bytes_max: number
  /** How long a body may take to come in. */
  readonly body_ms: number
  /** Of the bodies of all requests that run; one tenant has half of what the others leave, at most. */
  readonly bodies_bytes_max: number
  /** Of the entries or records in one page, about; one is always in it. */
  readonly page_bytes_max: number
  /** Requests that run or wait: in all, of which one tenant has half of what the others leave, at most; and of one token. */
  readonly requests_max: number
  readonly requests_per_token_max: number
  /**
   * Tokens that a replica is kept for; more of them than can be used at once are let go, the longest unused first. One
   * tenant has half of what those leave that others are using, at most.
   */
  readonly replicas_max: number
  /** Tokens that are being shown to the peer for the first time, and requests that wait for what it says of them. */
  readonly connecting_max: number
  readonly unverified_max: number
  /** Branches that are kept open for one token: for each agent that writes, and each definition. */
  readonly handles_per_token_max: number
  /** How long a replica, or a branch, is kept that nobody asks for. */
  readonly idle_ms: number
  /** How long the peer may take to answer whether a token is good. */
  readonly connect_ms: number
  /** How long a request may wait, and does if it does not say. */
  readonly wait_ms_max: number
  readonly wait_ms: number
  /** How long requests that run may take to end when the gateway closes. */
  readonly drain_ms: number
}

export const DEFAULT_LIMITS: GatewayLimits = {
  body_bytes_max: 1_048_576,
  body_ms: 10_000,
  bodies_bytes_max: 67_108_864,
  page_bytes_max: 4_194_304,
  requests_max: 1_024,
  requests_per_token_max: 128,
  replicas_max: 128,
  connecting_max: 64,
  unverified_max: 1_024,
  handles_per_token_max: 64,
  idle_ms: 60_000,
  connect_ms: 5_000,
  wait_ms_max: 60_000,
  wait_ms: 10_000,
  drain_ms: 5_000,
}
