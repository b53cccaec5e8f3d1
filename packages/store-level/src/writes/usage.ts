import type { TenantId } from '@weft/core'
import type { Database } from '../base/database.js'
import { TenantKeys } from '../base/keys.js'
import { decodeSealed, encodeSealed } from '../records/head-codec.js'
import type { Write } from './batching.js'

/*
 * What a tenant stores, in bytes of changes: a sealed record `{ v: 1, bytes }` for each tenant, which every batch that adds
 * to its logs, or removes from them, writes with it. So it is known without reading them.
 */

const USAGE_VERSION = 1
/** So many tenants that wrote lately are not looked up again. */
const KNOWN_MAX = 8_192

/** What tenants will store after a batch; undefined for one that is dropped, and leaves nothing. */
export type UsagePlan = ReadonlyMap<TenantId, number | undefined>

/** What tenants store, as far as it was asked for. */
export class Usage {
  readonly #known = new Map<TenantId, number>()

  constructor(private readonly db: Database) {}

  async of(tenant: TenantId): Promise<number> {
    const bytes = this.#known.get(tenant) ?? (await readUsage(this.db, new TenantKeys(tenant)))
    // A batch may have come before; what was guessed is not to be guessed again.
    if (!this.#known.has(tenant)) this.#known.set(tenant, bytes)
    return this.#known.get(tenant)!
  }

  async plan(writes: readonly Write[]): Promise<UsagePlan> {
    const plan = new Map<TenantId, number | undefined>()
    for (const { tenant, stored, isEndOfDrop } of writes) {
      if (isEndOfDrop) plan.set(tenant, stored)
      else if (stored !== undefined) {
        const before = plan.get(tenant) ?? (plan.has(tenant) ? 0 : await this.of(tenant))
        plan.set(tenant, Math.max(0, before + stored))
      }
    }
    return plan
  }

  /** The plan is on disk. */
  done(plan: UsagePlan): void {
    for (const [tenant, bytes] of plan) {
      this.#known.delete(tenant)
      if (bytes !== undefined) this.#known.set(tenant, bytes)
    }
    for (const tenant of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break
      this.#known.delete(tenant)
    }
  }
}

export function encodeUsage(key: string, bytes: number): Uint8Array {
  return encodeSealed(key, map => void map.map(2).text('v').uint(USAGE_VERSION).text('bytes').uint(bytes))
}

/** Of a tenant whose record is missing, for it wrote before there were any, or damaged: what its logs take on disk, about. */
async function readUsage(db: Database, keys: TenantKeys): Promise<number> {
  const value = await db.get(keys.usage)
  return (value && decodeUsage(keys.usage, value)) ?? (await sizeOnDisk(db, keys))
}

function decodeUsage(key: string, value: Uint8Array): number | undefined {
  try {
    const { v, bytes } = decodeSealed('usage record', key, value) as { v?: unknown; bytes?: unknown }
    return v === USAGE_VERSION && Number.isSafeInteger(bytes) ? (bytes as number) : undefined
  } catch {
    return undefined
  }
}

/**
 * Asks LevelDB, which reads nothing for it; of a log that was removed it may still have all. The types of `level` leave out
 * what only Node's implementation has.
 */
async function sizeOnDisk(db: Database, { logs }: TenantKeys): Promise<number> {
  const [any] = await db.keys({ ...logs, limit: 1 }).all()
  if (any === undefined) return 0
  const measured = db as Database & { approximateSize?(start: string, end: string): Promise<number> }
  return (await measured.approximateSize?.(logs.gte, logs.lt)) ?? 0
}
