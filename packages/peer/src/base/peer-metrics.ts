import { Metrics } from './metrics.js'

/** What a peer counts of itself. */
export function peerMetrics(read: {
  connections: () => number
  contexts: () => number
  quarantined: () => number
  pageBytes: () => number
  feeds: () => number
  parked: () => number
  ready: () => boolean
  oldestWrite_ms: () => number
  scratch: () => { readonly rooms: number; readonly connections: number; readonly bytes: number }
}) {
  const metrics = new Metrics()
  metrics.gauge('weft_connections', 'Open connections.', read.connections)
  metrics.gauge('weft_contexts_open', 'Contexts whose causal graph is in memory.', read.contexts)
  metrics.gauge(
    'weft_contexts_quarantined',
    'Contexts found damaged on disk, and not served.',
    read.quarantined,
  )
  metrics.gauge('weft_read_cache_bytes', 'Memory that is taken by what was read of logs.', read.pageBytes)
  metrics.gauge('weft_scratch_rooms', 'Shared scratches.', () => read.scratch().rooms)
  metrics.gauge('weft_scratch_connections', 'Connections to them.', () => read.scratch().connections)
  metrics.gauge('weft_scratch_bytes', 'Bytes that they hold.', () => read.scratch().bytes)
  metrics.gauge('weft_feeds_open', 'Readers of server-sent events.', read.feeds)
  metrics.gauge('weft_webhooks_parked', 'Deliveries that wait to be resumed by hand.', read.parked)
  metrics.gauge('weft_ready', '1 while the peer takes connections.', () => (read.ready() ? 1 : 0))
  metrics.gauge(
    'weft_commit_oldest_seconds',
    'For how long the oldest write to the store has been under way; 0 when none is.',
    () => read.oldestWrite_ms() / 1_000,
  )
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  return {
    render: () => metrics.render(),
    committed: metrics.counter('weft_changes_committed_total', 'Changes written and fsynced.'),
    damaged: metrics.counter('weft_contexts_damaged_total', 'Times a context was found damaged on disk.'),
    duplicate: metrics.counter('weft_changes_duplicate_total', 'Changes offered that the log held already.'),
    refused: metrics.counter('weft_changes_refused_total', 'Changes refused, by error code.'),
    failed: metrics.counter('weft_connections_failed_total', 'Connections ended by an error, by its code.'),
    rateWaits: metrics.counter('weft_rate_waits_total', 'Times changes waited for the rate of their tenant.'),
    framesIn: metrics.counter('weft_frames_received_total', 'Frames received.'),
    framesOut: metrics.counter('weft_frames_sent_total', 'Frames sent.'),
    commitSeconds: metrics.histogram(
      'weft_commit_seconds',
      'From the start of a write to the store to its fsync.',
    ),
    storeFailures: metrics.counter(
      'weft_store_failures_total',
      'Times the store failed and was opened again.',
    ),
  }
}

export type PeerMetrics = ReturnType<typeof peerMetrics>
