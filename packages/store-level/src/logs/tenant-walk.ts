import type { TenantId } from '@weft/core'
import type { Database, KeyIterator } from '../base/database.js'
import { TENANT_KEYS, TenantKeys, tenantOf } from '../base/keys.js'

/** A tenant that has any key, or a key that Weft never wrote. */
export type TenantOrStray = { readonly tenant: TenantId } | { readonly stray: string }

/** In order; jumps from the first key of each tenant to the first key after its last. @throws what LevelDB rejects with */
export async function* tenantsIn(db: Database): AsyncGenerator<TenantOrStray> {
  const keys = db.keys(TENANT_KEYS)
  try {
    for (let key = await keys.next(); key !== undefined; ) {
      const tenant = tenantOf(key)
      if (tenant === undefined) {
        yield { stray: key }
        key = await keys.next()
      } else {
        yield { tenant }
        key = await skipTo(keys, new TenantKeys(tenant).all.lt)
      }
    }
  } finally {
    await keys.close()
  }
}

/**
 * The first key from `target` on. A damaged index can lead a seek back to keys that lie before it; it is gone on from there
 * step by step, or whoever skips from key to key would go round for ever.
 */
export async function skipTo(keys: KeyIterator, target: string): Promise<string | undefined> {
  keys.seek(target)
  let key = await keys.next()
  while (key !== undefined && key < target) key = await keys.next()
  return key
}
