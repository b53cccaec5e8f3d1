import { hash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../base/directory.js'
import { decodeSealed, encodeSealed } from '../records/head-codec.js'
import { STORE_CONTEXT } from './key-service.js'

/*
 * The wrapped data keys of a store, a file for each tenant in its directory `keys`, outside LevelDB: what is deleted there
 * stays in older tables and journals for a while, and a key must be gone when it is destroyed. A file is named by the
 * SHA-256 of the tenant's id, for ids differ in case and may be "..", and holds a sealed record `{ v: 1, context, wrapped }`.
 */

export const KEYS_DIRECTORY = 'keys'
const STORE_FILE = 'store'
const PART = '.part'
const VERSION = 1

export class KeyFiles {
  private readonly directory: string

  /** @param store the directory of the store */
  constructor(store: string) {
    this.directory = join(store, KEYS_DIRECTORY)
  }

  /** Makes the directory, durably. */
  async make(store: string): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    await syncDirectory(store)
  }

  /** Undefined when there is no key. @throws Error that says what is damaged */
  async read(context: string): Promise<Uint8Array | undefined> {
    const name = nameOf(context)
    let value: Uint8Array
    try {
      value = await readFile(join(this.directory, name))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    const found = decodeKey(name, value)
    if (found.context !== context) throw new RangeError(`${KEYS_DIRECTORY}/${name} is the key of another`)
    return found.wrapped
  }

  /** Resolves when it is on disk, fsynced, with its name. What it takes the place of is overwritten. */
  async write(context: string, wrapped: Uint8Array): Promise<void> {
    const name = nameOf(context)
    const path = join(this.directory, name)
    const part = await open(path + PART, 'w', 0o600)
    try {
      await part.writeFile(encodeKey(name, context, wrapped))
      await part.sync()
    } finally {
      await part.close()
    }
    const before = await openThere(path)
    await rename(path + PART, path)
    await syncDirectory(this.directory)
    if (before) await overwrite(before)
  }

  /** Resolves when neither the file nor its name is there any more; where there is none, at once. */
  async destroy(context: string): Promise<void> {
    const path = join(this.directory, nameOf(context))
    for (const each of [path, path + PART]) await this.#destroyFile(each)
    await syncDirectory(this.directory)
  }

  /** Removes what a write has left that was cut short: nothing was ever encrypted under it alone. */
  async clearParts(): Promise<void> {
    for (const name of await readdir(this.directory)) {
      if (name.endsWith(PART)) await this.#destroyFile(join(this.directory, name))
    }
  }

  /** Whose keys are there, the store's own last; of a damaged file its name. */
  async *list(): AsyncGenerator<{ readonly context: string } | { readonly damaged: string }> {
    for (const name of (await readdir(this.directory)).sort()) {
      if (name.endsWith(PART)) continue
      try {
        yield { context: decodeKey(name, await readFile(join(this.directory, name))).context }
      } catch {
        yield { damaged: `${KEYS_DIRECTORY}/${name}` }
      }
    }
  }

  async #destroyFile(path: string): Promise<void> {
    const handle = await openThere(path)
    if (handle === undefined) return
    await overwrite(handle)
    await rm(path)
  }
}

/** Whether any tenant was given a key here: none is before there is a store. */
export async function holdsTenantKeys(store: string): Promise<boolean> {
  const names = await readdir(join(store, KEYS_DIRECTORY)).catch(() => [])
  return names.some(name => /^[0-9a-f]{64}$/.test(name))
}

function nameOf(context: string): string {
  return context === STORE_CONTEXT ? STORE_FILE : hash('sha256', context)
}

async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** In place, on disks that write in place. */
async function overwrite(handle: FileHandle): Promise<void> {
  try {
    const { size } = await handle.stat()
    await handle.write(Buffer.alloc(size), 0, size, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function encodeKey(name: string, context: string, wrapped: Uint8Array): Uint8Array {
  return encodeSealed(name, map => {
    map.map(3).text('v').uint(VERSION).text('context').text(context).text('wrapped').byteString(wrapped)
  })
}

function decodeKey(name: string, value: Uint8Array): { context: string; wrapped: Uint8Array } {
  const map = decodeSealed(`file ${KEYS_DIRECTORY}/${name}`, name, value)
  if (isKeyMap(map)) return map
  throw new RangeError(`the file ${KEYS_DIRECTORY}/${name} is of a version that this build cannot read`)
}

function isKeyMap(map: unknown): map is { context: string; wrapped: Uint8Array } {
  return (
    typeof map === 'object' &&
    map !== null &&
    'v' in map &&
    map.v === VERSION &&
    'context' in map &&
    typeof map.context === 'string' &&
    'wrapped' in map &&
    map.wrapped instanceof Uint8Array
  )
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
