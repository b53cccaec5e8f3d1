import type { Store } from '@weft/core'
import { openLevelStore } from '@weft/store-level'
import type { Cli } from './cli.js'
import { type DataDirectory, openingWith } from './encryption.js'
import { checkInProcess } from './store-check-process.js'

/**
 * Opens a directory that no peer has open, to remove something from it. First a process of its own has to survive
 * reading its files: LevelDB aborts on some damage, and whoever is cut short there does not say what was done.
 * @throws WEFT_USAGE · WEFT_STORE_CORRUPT · WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_KEY · WEFT_STORE_FAILED
 */
export async function openDirectory(cli: Cli, data: DataDirectory): Promise<Store> {
  const { unusable } = await checkInProcess(data, 'files', text => cli.output.progress(text))
  if (unusable) throw unusable
  return openLevelStore(data.directory, await openingWith(data.keyFile))
}
