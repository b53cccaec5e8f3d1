import { checkId, type Store, type TenantId, type TenantStore, type WeftError } from '@weft/core'
import type { Database } from './database.js'
import { corruptStore, readFailed } from './failures.js'
import type { Gate } from './gate.js'
import type { GroupWriter } from './group-writer.js'
import { TenantKeys } from './keys.js'
import { LevelTenantStore, type Shared } from './level-tenant-store.js'
import type { Scrubber } from './scrub.js'
import type { SealFile } from './seal-file.js'
import type { TenantCiphers } from './tenant-ciphers.js'
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
    private readonly sealFile: SealFile | undefined,
    private readonly release: () => void,
  ) {
    this.#shared = { db, gate, writer, scrubber, ciphers, drops: new Set(), removals: new Set() }
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
    await this.sealFile?.close()
    this.release()
  }
}

function stray(directory: string, key: string): WeftError {
  return corruptStore(directory, 'it holds a key that Weft never wrote', { key })
}
