/** Bounds of the relay. What is beyond one of them is refused by code; nothing of it is kept. */
export interface ScratchLimits {
  /** One message of a client: a token of a stream, or, after a restart of the peer, all that was written. */
  readonly message_bytes_max: number
  /** What was written to one scratch, deleted text included. */
  readonly room_bytes_max: number
  readonly tenant_bytes_max: number
  /** Of all tenants together. */
  readonly bytes_max: number
  readonly connections_max: number
  readonly rooms_per_tenant_max: number
  readonly connections_per_tenant_max: number
  readonly connections_per_room_max: number
  /** Yjs client ids that may write to one scratch: integrating concurrent inserts costs more with each. */
  readonly clients_per_room_max: number
  /** The presence (awareness) of one client. */
  readonly presence_bytes_max: number
  /** Bytes a socket may hold before it is cut off: more than a room holds, which is what a newcomer is sent at once. */
  readonly buffered_bytes_max: number
  /** Between pings; who has not answered one by the next, and a second more, is cut off. */
  readonly ping_ms: number
  /** How long a scratch outlives a lost connection of its owner, and a guest waits for an owner. */
  readonly owner_grace_ms: number
  /** A scratch that nobody has written to for so long ends. */
  readonly idle_ms: number
  /** At most one full answer to a client's question what it lacks in this time. */
  readonly resync_ms_min: number
}

export const DEFAULT_SCRATCH_LIMITS: ScratchLimits = {
  message_bytes_max: 524_288,
  room_bytes_max: 524_288,
  tenant_bytes_max: 67_108_864,
  bytes_max: 268_435_456,
  connections_max: 10_000,
  rooms_per_tenant_max: 1_000,
  connections_per_tenant_max: 2_000,
  connections_per_room_max: 64,
  clients_per_room_max: 256,
  presence_bytes_max: 4_096,
  buffered_bytes_max: 4_194_304,
  ping_ms: 15_000,
  owner_grace_ms: 10_000,
  idle_ms: 1_800_000,
  resync_ms_min: 1_000,
}
