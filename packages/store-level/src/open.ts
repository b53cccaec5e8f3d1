import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '@weft/core'
import { type Database, levelDatabase } from './base/database.js'
import { claimDirectory, holdsData, makeDirectory } from './base/directory.js'
import { codeOf, corruptStore, failed, locked, lostStore, readFailed } from './base/failures.js'
import { Gate } from './base/gate.js'
import { checkEncryption, type Encryption, NO_ENCRYPTION } from './encryption/encryption.js'
import { holdsTenantKeys } from './encryption/key-files.js'
import type { KeyService } from './encryption/key-service.js'
import { clearBorrowed } from './files/borrow.js'
import { checkFiles } from './files/file-check.js'
import { readSealFile, SealFile } from './seals/seal-file.js'
import { NEW_STORE, type StoreSeal } from './seals/store-seal.js'
import { GroupWriter } from './writes/group-writer.js'
import { Scrubber } from './writes/scrub.js'
import { finishDrops } from './logs/drop.js'
import { LevelStore } from './logs/level-store.js'
import { checkSeal, type OnLoss } from './logs/whole-store.js'
import { isNewStore, writeFormat } from './format.js'

export interface LevelStoreOptions {
  /** Appends that wait are written together until they hold this many bytes. */
  readonly batch_bytes_max?: number
  /**
   * Of a store that holds less than it had sealed, and not only contexts that are damaged. Default: refuse to open it.
   * Accepting seals what is there.
   */
  readonly onLoss?: OnLoss
  /** Who holds the master key of a store whose values are encrypted. A store stays as it was made: encrypted, or plain. */
  readonly encryption?: KeyService
  /** Data keys of so many tenants are kept in memory, those that were used last; 4,096 unless said otherwise. */
  readonly keys_max?: number
  /** Makes the handle on LevelDB, not yet open; for tests that count or break writes. */
  readonly database?: (directory: string) => Database
}

/** How long an fsync takes grows with its bytes, and whoever comes meanwhile waits for it. */
const BATCH_BYTES_MAX = 131_072
const NOT_A_DIRECTORY =
  'name a directory that this process may read and write, or a path where it may make one'

/**
 * Opens the store in `directory`, and makes it if there is none. One process at a time can hold it.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_KEY · WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function openLevelStore(directory: string, options: LevelStoreOptions = {}): Promise<Store> {
  const claim = await prepare(directory)
  try {
    return await openClaimed(directory, claim.release, options)
  } catch (thrown) {
    claim.release()
    throw readFailed(directory, thrown)
  }
}

async function prepare(directory: string): Promise<{ release: () => void }> {
  let claim: Awaited<ReturnType<typeof claimDirectory>>
  try {
    await makeDirectory(directory)
    claim = await claimDirectory(directory)
  } catch (thrown) {
    throw failed(directory, `${directory} cannot be used as a store`, thrown, NOT_A_DIRECTORY)
  }
  if (claim === false) throw locked(directory)
  return claim
}

async function openClaimed(
  directory: string,
  release: () => void,
  { batch_bytes_max, onLoss = 'refuse', encryption, keys_max, database = levelDatabase }: LevelStoreOptions,
): Promise<Store> {
  const file = await readSealFile(directory)
  const isOld = (await holdsData(directory)) || (file?.commits ?? 0) > 0 || (await holdsTenantKeys(directory))
  const encrypting = await checkEncryption(directory, encryption, isOld, keys_max)
  if (isOld && onLoss === 'refuse') await checkBeforeOpening(directory)
  const bounds = batch_bytes_max === undefined ? {} : { batch_bytes_max }
  const sealing = {
    file,
    onLoss,
    encryption: encrypting,
    openFile: (gate: Gate, seal: StoreSeal) =>
      SealFile.open(directory, file ? undefined : seal, cause => gate.fail(cause)),
  }
  const store = await openSealed(database(directory), { name: directory, isOld, release, ...bounds }, sealing)
  try {
    // The lock is ours, so whoever had the store borrowed is dead: links must not keep what is erased here.
    await clearBorrowed(directory)
    return store
  } catch (thrown) {
    await store.close()
    throw failed(directory, `what is left of a look at ${directory} cannot be removed`, thrown)
  }
}

export interface StoreOnOptions {
  /** What errors call it. */
  readonly name: string
  /** Whether anything was written to it before: one that holds data and no format is damaged. */
  readonly isOld: boolean
  readonly batch_bytes_max?: number
  /** Called when the store is closed. */
  readonly release?: () => void
}

/**
 * The store on a database of any make, not yet open: what is durable is what its batches with `sync` make so. It has no
 * seal beside it to be held against as a whole; each context is held against its own.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export function openStoreOn(db: Database, options: StoreOnOptions): Promise<Store> {
  const sealing = { file: undefined, onLoss: 'accept', openFile: undefined } as const
  return openSealed(db, options, { ...sealing, encryption: NO_ENCRYPTION })
}

/** What a store is held against when it is opened, and where it goes on to say what it holds. */
interface Sealing {
  readonly file: Awaited<ReturnType<typeof readSealFile>>
  readonly onLoss: OnLoss
  readonly encryption: Encryption
  readonly openFile: ((gate: Gate, seal: StoreSeal) => Promise<SealFile>) | undefined
}

async function openSealed(
  db: Database,
  { name, isOld, batch_bytes_max = BATCH_BYTES_MAX, release = () => {} }: StoreOnOptions,
  { file, onLoss, encryption, openFile }: Sealing,
): Promise<Store> {
  await openDatabase(db, name)
  const gate = new Gate(name)
  const ciphers = encryption.ciphersOn(db)
  const isEncrypted = encryption !== NO_ENCRYPTION
  let sealFile: SealFile | undefined
  try {
    const isNew = await isNewStore(db, name, isOld, isEncrypted)
    const seal = isNew ? NEW_STORE : await checkSeal(db, name, file, onLoss, ciphers)
    await encryption.begin()
    sealFile = await openFile?.(gate, seal)
    const writer = new GroupWriter(db, gate, batch_bytes_max, seal, sealed => sealFile?.note(sealed))
    if (isNew) await writeFormat(writer, isEncrypted)
    const unfinished = await finishDrops(db, writer, name, ciphers)
    const scrubber = new Scrubber(db, writer)
    await scrubber.resume()
    return new LevelStore(db, gate, writer, scrubber, ciphers, unfinished, sealFile, release)
  } catch (thrown) {
    await db.close()
    ciphers.close()
    await sealFile?.close()
    throw thrown
  }
}

/** LevelDB drops what it cannot make out, and then removes the files that it no longer knows: it must not come to that. */
async function checkBeforeOpening(directory: string): Promise<void> {
  if (!existsSync(join(directory, 'CURRENT'))) throw lostStore(directory, 'its file CURRENT is missing')
  for await (const { file, damage } of checkFiles(directory, 'journals')) {
    if (damage.length > 0) throw lostStore(directory, `${file} is damaged: ${damage.join(', ')}`)
  }
}

async function openDatabase(db: Database, directory: string): Promise<void> {
  try {
    await db.open()
  } catch (thrown) {
    // abstract-level wraps the reason.
    const reason = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown
    const code = codeOf(reason)
    if (code === 'LEVEL_LOCKED') throw locked(directory, reason)
    if (code === 'LEVEL_CORRUPTION') throw corruptStore(directory, 'LevelDB cannot open it', {}, reason)
    throw failed(directory, `the store in ${directory} cannot be opened`, reason)
  }
}
