import { checkId, type Store, type TenantId, type TenantStore, type WeftError } from '@weft/core'
import type { Database } from '../base/database.js'
import { corruptStore, readFailed } from '../base/failures.js'
import type { Gate } from '../base/gate.js'
import { TenantKeys } from '../base/keys.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { SealFile } from '../seals/seal-file.js'
import type { GroupWriter } from '../writes/group-writer.js'
import type { Scrubber } from '../writes/scrub.js'
import { LevelTenantStore, type Shared } from './level-tenant-store.js'
import { tenantsIn } from './tenant-walk.js'

export class LevelStore implements Store {
  readonly #shared: Shared
  #closing: Promise<void> | undefined

  constructor(
    db: Database,
    gate: Gate,
    writer: GroupWriter,
    scrubber: Scrubber,
    ciphers: TenantCiphers,
    unfinishedDrops: readonly TenantId[],
    private readonly sealFile: SealFile | undefined,
    private readonly release: () => void,
  ) {
    const drops = new Map(unfinishedDrops.map(tenant => [tenant, 'cut short' as const]))
    this.#shared = { db, gate, writer, scrubber, ciphers, drops, removals: new Set() }
  }

  get unfinishedDrops(): readonly TenantId[] {
    return [...this.#shared.drops].filter(([, state]) => state === 'cut short').map(([tenant]) => tenant)
  }

  tenant(id: TenantId): TenantStore {
    return new LevelTenantStore(this.#shared, new TenantKeys(checkId('tenant', id)))
  }

  async *tenants(): AsyncIterable<TenantId> {
    const { db, gate } = this.#shared
    gate.check()
    try {
      for await (const found of tenantsIn(db)) {
        if ('stray' in found) throw stray(gate.directory, found.stray)
        yield found.tenant
        gate.check()
      }
    } catch (thrown) {
      throw gate.refusal ?? readFailed(gate.directory, thrown)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { db, gate, writer, scrubber, ciphers } = this.#shared
    gate.close()
    await writer.idle()
    await scrubber.end()
    await db.close()
    ciphers.close()
    try {
      await this.sealFile?.close()
    } finally {
      // LevelDB has let go of the directory. A disk that could not sync the file may be mended, and the store opened again.
      this.release()
    }
  }
}

function stray(directory: string, key: string): WeftError {
  return corruptStore(directory, 'it holds a key that Weft never wrote', { key })
}
