import { checkId, type Store, type TenantId, type TenantStore } from '@weft/core'
import type { Database } from './database.js'
import { corruptStore, readFailed } from './failures.js'
import type { Gate } from './gate.js'
import type { GroupWriter } from './group-writer.js'
import { TENANT_KEYS, TenantKeys, tenantOf } from './keys.js'
import { LevelTenantStore, type Shared } from './level-tenant-store.js'

export class LevelStore implements Store {
  readonly #shared: Shared
  #closing: Promise<void> | undefined

  constructor(
    db: Database,
    gate: Gate,
    writer: GroupWriter,
    private readonly release: () => void,
  ) {
    this.#shared = { db, gate, writer, drops: new Set(), removals: new Set() }
  }

  tenant(id: TenantId): TenantStore {
    return new LevelTenantStore(this.#shared, new TenantKeys(checkId('tenant', id)))
  }

  /** Jumps from the first key of a tenant to the first key after its last. */
  async *tenants(): AsyncIterable<TenantId> {
    const { db, gate } = this.#shared
    gate.check()
    const keys = db.keys(TENANT_KEYS)
    try {
      for (let key = await keys.next(); key !== undefined; key = await keys.next()) {
        const tenant = tenantOf(key)
        if (tenant === undefined)
          throw corruptStore(gate.directory, 'it holds a key that Weft never wrote', { key })
        yield tenant
        gate.check()
        keys.seek(new TenantKeys(tenant).all.lt)
      }
    } catch (thrown) {
      throw gate.refusal ?? readFailed(gate.directory, thrown)
    } finally {
      await keys.close()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { db, gate, writer } = this.#shared
    gate.close()
    await writer.idle()
    await db.close()
    this.release()
  }
}
