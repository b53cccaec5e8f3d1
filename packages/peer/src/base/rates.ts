import { type TenantId, WeftError } from '@weft/core'

/**
 * A token bucket: it holds a second of what comes at a steady rate, and may be overdrawn once, by what is not divided.
 * Whoever finds it empty waits.
 */
export class TokenBucket {
  #tokens: number
  #at_ms: number

  constructor(
    private readonly per_second: number,
    now_ms: number,
  ) {
    this.#tokens = per_second
    this.#at_ms = now_ms
  }

  /** Milliseconds until something may be taken; 0 for now. */
  wait_ms(now_ms: number): number {
    this.#fill(now_ms)
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1_000) / this.per_second)
  }

  take(count: number, now_ms: number): void {
    this.#fill(now_ms)
    this.#tokens -= count
  }

  isFull(now_ms: number): boolean {
    this.#fill(now_ms)
    return this.#tokens === this.per_second
  }

  #fill(now_ms: number): void {
    const seconds = (now_ms - this.#at_ms) / 1_000
    this.#at_ms = now_ms
    this.#tokens = Math.min(this.per_second, this.#tokens + seconds * this.per_second)
  }
}

/** So many buckets are kept before those that are full, which say nothing, are thrown away. */
const BUCKETS_MAX = 1_024

/** How fast each tenant writes. */
export class Rates {
  readonly #buckets = new Map<TenantId, TokenBucket>()

  constructor(private readonly perSecondOf: (tenant: TenantId) => number) {}

  bucket(tenant: TenantId, now_ms: number): TokenBucket {
    let bucket = this.#buckets.get(tenant)
    if (bucket === undefined) {
      if (this.#buckets.size >= BUCKETS_MAX) this.#prune(now_ms)
      bucket = new TokenBucket(this.perSecondOf(tenant), now_ms)
      this.#buckets.set(tenant, bucket)
    }
    return bucket
  }

  #prune(now_ms: number): void {
    for (const [tenant, bucket] of this.#buckets) if (bucket.isFull(now_ms)) this.#buckets.delete(tenant)
  }
}

export function tooFast(waited_ms: number): WeftError {
  return new WeftError(
    'WEFT_QUOTA_RATE',
    `changes of this connection have waited ${waited_ms} ms for the rate that their tenant may write at`,
    'write less often, or ask for a larger quota; a replica keeps what has no answer, and offers it again by itself',
    { waited_ms },
  )
}

/** @param retry_after_ms until more may be taken of its tenant */
export function notTaken(retry_after_ms: number): WeftError {
  return new WeftError(
    'WEFT_QUOTA_RATE',
    'the tenant writes faster than it may: this change was not taken',
    'nothing was written: offer it again after `retry_after_ms`, write less often, or ask for a larger quota',
    { retry_after_ms },
  )
}
