import { levelDatabase } from '../base/database.js'
import { corruptStore } from '../base/failures.js'
import { SEAL_KEY, TenantKeys } from '../base/keys.js'
import { encodeHead, SEAL_BYTES } from '../records/head-codec.js'
import { encodeRecord } from '../records/record-codec.js'
import { ciphersOfRest } from '../encryption/encryption.js'
import type { KeyService } from '../encryption/key-service.js'
import { SealFile } from '../seals/seal-file.js'
import { decodeStoreSeal, encodeStoreSeal, sealAfter } from '../seals/store-seal.js'
import type { SalvagedContext } from './salvage.js'

/** No head record that a store writes is empty: so it reads as damaged, as it was where it came from. */
const NO_HEAD = new Uint8Array()

/**
 * Writes contexts that are damaged into a store that is closed, as they are: with their gaps, and in quarantine as before.
 * @param encryption of a store that is encrypted
 * @throws WEFT_STORE_CORRUPT · WEFT_STORE_KEY · what LevelDB rejects with
 */
export async function carryOver(
  directory: string,
  contexts: readonly SalvagedContext[],
  encryption: KeyService | undefined,
): Promise<void> {
  const db = levelDatabase(directory)
  const ciphers = ciphersOfRest(directory, encryption, db)
  await db.open()
  const sealFile = await SealFile.open(directory, undefined, () => {})
  try {
    for (const { tenant, workflow, head, records } of contexts) {
      const keys = new TenantKeys(tenant)
      const value = await db.get(SEAL_KEY)
      if (value === undefined) throw corruptStore(directory, 'its seal is missing')
      const cipher = await ciphers.with(tenant, each => each)
      const headKey = keys.head(workflow)
      const after = head ? cipher.seal(headKey, encodeHead(headKey, head), SEAL_BYTES) : NO_HEAD
      const seal = sealAfter(decodeStoreSeal(SEAL_KEY, value), [{ before: undefined, after }])
      const batch = db.batch().put(headKey, after)
      for (const { position, id, bytes } of records) {
        const key = keys.record(workflow, position)
        batch.put(key, cipher.seal(key, encodeRecord(key, id, bytes)))
      }
      await batch.put(SEAL_KEY, encodeStoreSeal(SEAL_KEY, seal)).write({ sync: true })
      sealFile.note(seal)
    }
  } finally {
    await db.close()
    ciphers.close()
    await sealFile.close()
  }
}
