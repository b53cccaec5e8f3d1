import { constants, copyFile, link, mkdir, mkdtemp, open, readdir, rm, symlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { isWeftError } from '@weft/core'
import { type Database, levelDatabase } from '../base/database.js'
import { claimDirectory } from '../base/directory.js'
import { codeOf, failed, locked } from '../base/failures.js'
import { KEYS_DIRECTORY } from '../encryption/key-files.js'
import { isTable } from './file-check.js'

/** A store to look at, in a directory of its own: whatever is done there, the one it was made of stays as it is. */
export interface BorrowedStore {
  readonly directory: string
  release(): Promise<void>
}

const PREFIX = 'borrowed-'
const LOCK = 'LOCK'
const NO_LINKS =
  'keep the store where this process may write and make hard links; `weft serve --verify none` does without looking first'
/** What LevelDB tells people; nothing is read from it. */
const CHATTER = /^LOG(\.old)?$/

/**
 * Makes a second store of the files of one that is closed, inside its directory: tables, which LevelDB never changes, as
 * links, the little else as copies. Until it is released, no peer can open the first one.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_FAILED
 */
export async function borrowStore(directory: string): Promise<BorrowedStore> {
  // The lock of LevelDB keeps other processes out, and not this one.
  const claim = await claimDirectory(directory)
  if (claim === false) throw locked(directory)
  try {
    const borrowed = await borrow(directory)
    return { ...borrowed, release: () => borrowed.release().finally(claim.release) }
  } catch (thrown) {
    claim.release()
    if (isWeftError(thrown)) throw thrown
    throw failed(directory, `the store in ${directory} cannot be looked at`, thrown)
  }
}

async function borrow(directory: string): Promise<BorrowedStore> {
  const around = await mkdtemp(join(directory, PREFIX))
  let lock: Database | undefined
  const release = async (): Promise<void> => {
    await lock?.close()
    await rm(around, { recursive: true, force: true })
  }
  try {
    lock = await holdLock(directory, join(around, 'lock'))
    await clearBorrowed(directory, around)
    const copy = join(around, 'store')
    await mkdir(copy)
    await copyStore(directory, copy)
    return { directory: copy, release }
  } catch (thrown) {
    await release()
    throw thrown
  }
}

/** Removes what processes have left that died while they had it borrowed. */
export async function clearBorrowed(directory: string, except?: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const isLeft = name.startsWith(PREFIX) && (except === undefined || name !== basename(except))
    if (isLeft) await rm(join(directory, name), { recursive: true, force: true })
  }
}

/** A lock goes with the file and not with its name: an empty database under a link to it keeps others out. */
async function holdLock(directory: string, beside: string): Promise<Database> {
  await (await open(join(directory, LOCK), 'a')).close()
  await mkdir(beside)
  await link(join(directory, LOCK), join(beside, LOCK)).catch(error => {
    throw failed(directory, `no links can be made in ${directory}`, error, NO_LINKS)
  })
  const holder = levelDatabase(beside)
  try {
    await holder.open()
    return holder
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.cause : thrown
    throw codeOf(reason) === 'LEVEL_LOCKED' ? locked(directory, reason) : thrown
  }
}

async function copyStore(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const { name } = entry
    // Keys are nowhere twice: what is destroyed is gone then.
    if (name === KEYS_DIRECTORY) await symlink(resolve(from, name), join(to, name), 'junction')
    if (!entry.isFile() || name === LOCK || CHATTER.test(name)) continue
    const [source, target] = [join(from, name), join(to, name)]
    const copy = () => copyFile(source, target, constants.COPYFILE_FICLONE)
    // Not every file system has links.
    await (isTable(name) ? link(source, target).catch(copy) : copy())
  }
}
