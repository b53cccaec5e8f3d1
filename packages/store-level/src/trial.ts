import { compact, levelDatabase } from './base/database.js'
import { readFailed } from './base/failures.js'

/**
 * Has LevelDB read and write anew everything in a store, as it does by and by while it serves: where damaged blocks make
 * that end the process, or make it refuse to write, no peer should open the store. For a borrowed store only.
 * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function tryStore(directory: string): Promise<void> {
  const db = levelDatabase(directory)
  try {
    await db.open()
    for await (const [key] of db.iterator()) await db.get(key)
    for await (const key of db.keys({ reverse: true })) await db.has(key)
    await compact(db)
    await db.batch().put('!trial', new Uint8Array()).write({ sync: true })
  } catch (thrown) {
    throw readFailed(directory, thrown)
  } finally {
    await db.close()
  }
}
