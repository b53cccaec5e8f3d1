import { DEFAULT_LIMITS, type PeerLimits } from '@weft/peer'

/** Everything that a peer waits for happens in a simulation of seconds, and what takes many workers with a few. */
export const SIM_LIMITS: PeerLimits = {
  ...DEFAULT_LIMITS,
  auth_deadline_ms: 400,
  ping_ms: 250,
  congested_bytes: 512,
  buffered_bytes_max: 262_144,
  share_cost: 600,
  branch_heads_max: 4,
  idle_ms: 120,
  overlay_lease_ms: 120,
}
