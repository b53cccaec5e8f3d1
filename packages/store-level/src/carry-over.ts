import { levelDatabase } from './database.js'
import { corruptStore } from './failures.js'
import { encodeHead } from './head-codec.js'
import { SEAL_KEY, TenantKeys } from './keys.js'
import { encodeRecord } from './record-codec.js'
import type { SalvagedContext } from './salvage.js'
import { SealFile } from './seal-file.js'
import { decodeStoreSeal, encodeStoreSeal, sealAfter } from './store-seal.js'

/** No head record that a store writes is empty: so it reads as damaged, as it was where it came from. */
const NO_HEAD = new Uint8Array()

/**
 * Writes contexts that are damaged into a store that is closed, as they are: with their gaps, and in quarantine as before.
 * @throws WEFT_STORE_CORRUPT · what LevelDB rejects with
 */
export async function carryOver(directory: string, contexts: readonly SalvagedContext[]): Promise<void> {
  const db = levelDatabase(directory)
  await db.open()
  const sealFile = await SealFile.open(directory, undefined, () => {})
  try {
    for (const { tenant, workflow, head, records } of contexts) {
      const keys = new TenantKeys(tenant)
      const value = await db.get(SEAL_KEY)
      if (value === undefined) throw corruptStore(directory, 'its seal is missing')
      const after = head ? encodeHead(keys.head(workflow), head) : NO_HEAD
      const seal = sealAfter(decodeStoreSeal(SEAL_KEY, value), [{ before: undefined, after }])
      const batch = db.batch().put(keys.head(workflow), after)
      for (const { position, id, bytes } of records) {
        const key = keys.record(workflow, position)
        batch.put(key, encodeRecord(key, id, bytes))
      }
      await batch.put(SEAL_KEY, encodeStoreSeal(SEAL_KEY, seal)).write({ sync: true })
      sealFile.note(seal)
    }
  } finally {
    await db.close()
    await sealFile.close()
  }
}
