import type { TenantId } from '@weft/core'
import type { Database } from './database.js'
import { TENANT_KEYS, TenantKeys, tenantOf } from './keys.js'

/** A tenant that has any key, or a key that Weft never wrote. */
export type TenantOrStray = { readonly tenant: TenantId } | { readonly stray: string }

/** In order; jumps from the first key of each tenant to the first key after its last. @throws what LevelDB rejects with */
export async function* tenantsIn(db: Database): AsyncGenerator<TenantOrStray> {
  const keys = db.keys(TENANT_KEYS)
  try {
    for (let key = await keys.next(); key !== undefined; key = await keys.next()) {
      const tenant = tenantOf(key)
      if (tenant === undefined) {
        yield { stray: key }
      } else {
        yield { tenant }
        keys.seek(new TenantKeys(tenant).all.lt)
      }
    }
  } finally {
    await keys.close()
  }
}
