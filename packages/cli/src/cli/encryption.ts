import { resolve } from 'node:path'
import { isEncrypted, type LevelStoreOptions, readKeyFile } from '@weft/store-level'
import type { Settings } from '../settings/resolve-settings.js'
import type { Cli } from './cli.js'

/** A data directory, and the key file that it is to be opened with, if any. A path goes to other processes, never a key. */
export interface DataDirectory {
  readonly directory: string
  readonly keyFile: string | undefined
}

/** The key file that was named. */
export function keyFileOf(cli: Cli, settings: Settings): string | undefined {
  return settings.encryptionKeyFile && resolve(cli.cwd, settings.encryptionKeyFile.value)
}

/** How a store is opened with a key file, or without. @throws WEFT_STORE_KEY */
export async function openingWith(
  keyFile: string | undefined,
): Promise<Pick<LevelStoreOptions, 'encryption'>> {
  return keyFile === undefined ? {} : { encryption: await readKeyFile(keyFile) }
}

/** As `openingWith`, of a store that is only read: one that is plain is read as it is. */
export function openingAsItIs({
  directory,
  keyFile,
}: DataDirectory): Promise<Pick<LevelStoreOptions, 'encryption'>> {
  return openingWith(isEncrypted(directory) ? keyFile : undefined)
}
