import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '@weft/core'
import type { Database } from '../base/database.js'
import { codeOf, corruptStore, failed, keyRefused } from '../base/failures.js'
import { KEYS_DIRECTORY, KeyFiles } from './key-files.js'
import { type KeyService, STORE_CONTEXT } from './key-service.js'
import { KeyRing, makeKey, PLAIN_CIPHERS, type TenantCiphers, unwrapKey } from './tenant-ciphers.js'

const PASS_KEYS =
  'pass --encryption-key-file (WEFT_ENCRYPTION_KEY_FILE), or `encryption` to openLevelStore, with what it was made with'
const PLAIN_CURE =
  'leave out the key file to open a plain store (`weft repair --to NEW` makes an encrypted one of it); put the directory ' +
  'keys back if it was lost'

const KEYS_MAX = 4_096

/** Whether the values of a store lie encrypted: then its keys are beside them. */
export function isEncrypted(directory: string): boolean {
  return existsSync(join(directory, KEYS_DIRECTORY))
}

/** How a store is encrypted, if it is. */
export interface Encryption {
  readonly ciphersOn: (db: Database) => TenantCiphers
  /** Makes the keys of a new store, and clears up those of another: when it is open, so that nobody else has it. */
  readonly begin: () => Promise<void>
}

export const NO_ENCRYPTION: Encryption = { ciphersOn: () => PLAIN_CIPHERS, begin: async () => {} }

/**
 * Checks that keys and store go together, before LevelDB looks at it: a store that is refused stays as it was.
 * @param isOld whether there is a store already
 * @throws WEFT_STORE_KEY · WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function checkEncryption(
  directory: string,
  service: KeyService | undefined,
  isOld: boolean,
  keys_max = KEYS_MAX,
): Promise<Encryption> {
  const encrypted = isEncrypted(directory)
  if (service === undefined) {
    if (encrypted)
      throw keyRefused(directory, `the store in ${directory} is encrypted, and no key was given`, PASS_KEYS)
    return NO_ENCRYPTION
  }
  if (isOld && !encrypted) {
    throw keyRefused(directory, `a key was given, and the store in ${directory} has none`, PLAIN_CURE)
  }
  const files = new KeyFiles(directory)
  const hasStoreKey = await checkStoreKey(directory, files, service)
  if (isOld && !hasStoreKey)
    throw corruptStore(directory, 'the file keys/store is missing, which says under which master key it is')
  return {
    ciphersOn: db => new KeyRing(directory, files, service, db, keys_max),
    begin: async () => {
      if (hasStoreKey) await files.clearParts()
      else await makeKeys(directory, files, service)
    },
  }
}

/**
 * That a store which is there would open with these keys, or without any.
 * @throws WEFT_STORE_KEY · WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function checkKeys(directory: string, service: KeyService | undefined): Promise<void> {
  await checkEncryption(directory, service, true)
}

/** The ciphers of a store that is read whatever is wrong with it. @throws WEFT_STORE_KEY */
export function ciphersOfRest(
  directory: string,
  service: KeyService | undefined,
  db: Database,
): TenantCiphers {
  if (service !== undefined && isEncrypted(directory))
    return new KeyRing(directory, new KeyFiles(directory), service, db, KEYS_MAX)
  if (!isEncrypted(directory)) return PLAIN_CIPHERS
  throw keyRefused(directory, `the store in ${directory} is encrypted, and no key was given`, PASS_KEYS)
}

/** That the key of the store itself opens shows that the master is the right one. @returns whether there is that key */
async function checkStoreKey(directory: string, files: KeyFiles, service: KeyService): Promise<boolean> {
  const wrapped = await readStoreKey(directory, files)
  if (wrapped === undefined) return false
  await unwrapKey(directory, service, wrapped, STORE_CONTEXT)
  return true
}

async function makeKeys(directory: string, files: KeyFiles, service: KeyService): Promise<void> {
  await files.make(directory).catch(thrown => {
    throw failed(directory, `keys cannot be kept in ${directory}`, thrown)
  })
  await makeKey(directory, files, service, STORE_CONTEXT)
}

async function readStoreKey(directory: string, files: KeyFiles): Promise<Uint8Array | undefined> {
  try {
    return await files.read(STORE_CONTEXT)
  } catch (thrown) {
    if (codeOf(thrown)) throw failed(directory, 'the key of the store cannot be read', thrown)
    throw corruptStore(directory, reasonOf(thrown), {}, thrown)
  }
}
