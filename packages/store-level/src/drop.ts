import type { Write } from './batching.js'
import type { StoredHead } from './context-ends.js'
import type { Database } from './database.js'
import { corruptStore } from './failures.js'
import type { GroupWriter } from './group-writer.js'
import { DROPPING_KEYS, droppingTenantOf, TenantKeys } from './keys.js'
import type { TenantCiphers } from './tenant-ciphers.js'

const KEYS_PER_BATCH = 4_096

export interface Dropped {
  workflows: number
  changes: number
}

/**
 * Removes every key of a tenant (TEN-4), in batches: a log may be larger than memory. The marker that is written first
 * and removed last makes it all or nothing: what a crash leaves over is removed at the next opening. Of a store that is
 * encrypted the key goes first: from then on nobody can read what is still there, or lies in older files.
 */
export async function dropTenant(
  db: Database,
  writer: GroupWriter,
  keys: TenantKeys,
  ciphers: TenantCiphers,
): Promise<Dropped> {
  const { tenant, dropping: key } = keys
  const marker = { tenant, operations: [{ key, value: Buffer.from(tenant) }] }
  // Behind it in the queue, every append that came before the drop is on disk.
  await writer.write(ciphers.behind(tenant, () => marker))
  await ciphers.destroy(tenant)
  const dropped: Dropped = { workflows: 0, changes: 0 }
  const iterator = db.keys(keys.all)
  try {
    for (;;) {
      const page = await iterator.nextv(KEYS_PER_BATCH)
      if (page.length === 0) break
      for (const key of page) dropped[keys.isHead(key) ? 'workflows' : 'changes']++
      await writer.write(deletionOf(db, keys, page))
    }
  } finally {
    await iterator.close()
  }
  await writer.write({
    tenant,
    operations: [
      { key, value: null },
      { key: keys.usage, value: null },
    ],
    isEndOfDrop: true,
  })
  return dropped
}

/** @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED */
export async function finishDrops(
  db: Database,
  writer: GroupWriter,
  directory: string,
  ciphers: TenantCiphers,
): Promise<void> {
  for (const [key, value] of await db.iterator(DROPPING_KEYS).all()) {
    const tenant = droppingTenantOf(key)
    // The marker names its tenant twice: a damaged one must not remove somebody else.
    if (Buffer.from(value).toString() !== tenant) {
      throw corruptStore(directory, 'it says that a tenant is to be removed, but not clearly which', { key })
    }
    await dropTenant(db, writer, new TenantKeys(tenant), ciphers)
  }
}

/** Removes keys of a tenant, whether what they hold is sound or not. */
export function deletionOf(db: Database, keys: TenantKeys, doomed: readonly string[]): Write {
  const find = async (key: string): Promise<StoredHead | undefined> => {
    const value = await db.get(key)
    return value && { value, head: undefined }
  }
  return {
    tenant: keys.tenant,
    operations: doomed.filter(key => !keys.isHead(key)).map(key => ({ key, value: null })),
    removes: doomed.filter(key => keys.isHead(key)).map(key => ({ key, find: () => find(key) })),
  }
}
