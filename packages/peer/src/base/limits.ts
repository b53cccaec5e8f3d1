import { LIMITS, type TenantId } from '@weft/core'
import type { ScratchLimits } from '@weft/scratch'
import type { TenantQuota } from './quota.js'

/** Bounds of one connection and of the peer. */
export interface PeerLimits {
  readonly connections_max: number
  /** Of one tenant: connections, feeds and connections to scratches together. */
  readonly connections_per_tenant_max: number
  /** What a tenant may store and write. */
  readonly quota: TenantQuota
  /** Of single tenants, where theirs differ. */
  readonly quotas: Readonly<Record<TenantId, Partial<TenantQuota>>>
  /** How long a connection's changes may wait for their tenant's rate before it is ended, to offer them again later. */
  readonly rate_wait_ms_max: number
  /** From the socket's opening to a valid token. */
  readonly auth_deadline_ms: number
  /** Between pings; a replica that has not answered one by the next, and a second more, is cut off. */
  readonly ping_ms: number
  /** Bytes a socket may hold before the log is read on for it. */
  readonly congested_bytes: number
  /** Bytes a socket may hold at all. */
  readonly buffered_bytes_max: number
  /** Bytes of frames that may wait for their turn before the socket is left unread; the last frame may reach beyond. */
  readonly inbox_bytes_max: number
  /**
   * What those tenants who write much may have admitted and not yet on disk, all together, while another one writes
   * little: bytes of changes, and 512 for each; they get it again every 2 to 4 ms. The less it is, the less the other
   * waits, and the slower are they.
   */
  readonly share_cost: number
  /** Of a branch before the peer joins its heads with a change of its own. */
  readonly branch_heads_max: number
  /** How long a write to the store may be under way before it is logged that the disk does not answer. */
  readonly stall_ms: number
  /** How long a context that nobody uses stays open. */
  readonly idle_ms: number
  /** How often an event is offered to a webhook before its delivery is parked. */
  readonly webhook_attempts_max: number
  /** From the first attempt to the second, about; then twice as long each time. */
  readonly webhook_backoff_ms: number
  /** How long a webhook may take to answer. */
  readonly webhook_timeout_ms: number
  /**
   * How long a worker may begin steps by what it was told of its tenant's overlays; a barrier waits as long for one that
   * cannot be reached, and from the start of the peer. Whoever shortens it lets the longer time pass first.
   */
  readonly overlay_lease_ms: number
  /** How long a drain waits for the disk; of one that does not answer by then nothing more is written or closed. */
  readonly drain_write_ms: number
  /** How long a drain waits for replicas to take their acks. */
  readonly drain_ms: number
  /** How long a state change may be tried before it is refused. */
  readonly trial_ms: number
  /** Of states that changes are tried on, kept for the next: bytes of the changes that they are made of. */
  readonly trial_bytes_max: number
  /** What a thread that tries may hold before it is begun anew. */
  readonly trial_memory_bytes_max: number
  /** Of what was read of logs from disk, kept for whoever reads the same or reads on; of all contexts together. 0 keeps none. */
  readonly read_cache_bytes_max: number
  /** Of the relay of shared scratches, where they differ from its own defaults. */
  readonly scratch: Partial<ScratchLimits>
}

export const DEFAULT_LIMITS: PeerLimits = {
  connections_max: 10_000,
  connections_per_tenant_max: 5_000,
  quota: { bytes_max: 10_737_418_240, contexts_max: 1_000_000, changes_per_second_max: 50_000 },
  quotas: {},
  rate_wait_ms_max: 10_000,
  auth_deadline_ms: 5_000,
  ping_ms: 15_000,
  congested_bytes: 16_384,
  buffered_bytes_max: 16_777_216,
  inbox_bytes_max: 131_072,
  share_cost: 8_192,
  branch_heads_max: LIMITS.branch_heads_max,
  stall_ms: 5_000,
  idle_ms: 10_000,
  webhook_attempts_max: 10,
  webhook_backoff_ms: 1_000,
  webhook_timeout_ms: 10_000,
  overlay_lease_ms: 5_000,
  drain_write_ms: 15_000,
  drain_ms: 5_000,
  trial_ms: 5_000,
  trial_bytes_max: 67_108_864,
  trial_memory_bytes_max: 536_870_912,
  read_cache_bytes_max: 16_777_216,
  scratch: {},
}
