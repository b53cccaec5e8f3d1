import { KeyFiles } from './encryption/key-files.js'
import type { KeyService } from './encryption/key-service.js'
import { storeKey, unwrapKey } from './encryption/tenant-ciphers.js'
import { openLevelStore } from './open.js'

/**
 * Wraps every data key of a store that nobody has open once more, so that older master keys are not needed any more. The
 * data keys, and all that is encrypted under them, stay as they are. One that is cut short is run again.
 * @returns how many keys, and the files that are damaged, which stay as they are
 * @throws as `openLevelStore`
 */
export async function rewrapKeys(
  directory: string,
  service: KeyService,
): Promise<{ readonly rewrapped: number; readonly damaged: readonly string[] }> {
  // Open, so that nobody else is: a key that is dropped meanwhile would be back.
  const store = await openLevelStore(directory, { encryption: service })
  const files = new KeyFiles(directory)
  let rewrapped = 0
  const damaged: string[] = []
  try {
    // The store's own comes last: until all are done, the store does not open under the newest master alone.
    for await (const found of files.list()) {
      if ('damaged' in found) {
        damaged.push(found.damaged)
        continue
      }
      const wrapped = await files.read(found.context)
      const dataKey = await unwrapKey(directory, service, wrapped!, found.context)
      await storeKey(directory, files, service, found.context, dataKey)
      dataKey.fill(0)
      rewrapped++
    }
  } finally {
    await store.close()
  }
  return { rewrapped, damaged }
}
