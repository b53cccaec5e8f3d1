import { WeftError } from '@weft/core'
import type { Database } from './database.js'
import { corruptStore } from './failures.js'
import type { GroupWriter } from './group-writer.js'
import { FORMAT_KEY } from './keys.js'

const FORMAT_VERSION = 2

/**
 * Every store says which layout it has. `isOld`: there was data before this opening. LevelDB opens as empty when its
 * manifest is cut off, and a store that is taken for a new one has lost everything.
 * @returns whether it is a new one, which has to be told
 * @throws WEFT_STORE_VERSION · WEFT_STORE_CORRUPT
 */
export async function isNewStore(db: Database, directory: string, isOld: boolean): Promise<boolean> {
  const value = await db.get(FORMAT_KEY)
  if (value === undefined) {
    if (isOld) throw corruptStore(directory, 'it holds data files, but no record of a Weft store can be read')
    return true
  }
  const found = Buffer.from(value).toString()
  if (found === format(FORMAT_VERSION)) return false
  const version = Number(found.slice(format('').length))
  if (!Number.isSafeInteger(version) || found !== format(version)) {
    throw corruptStore(directory, 'the record of its version is unreadable')
  }
  throw new WeftError(
    'WEFT_STORE_VERSION',
    `the store in ${directory} has version ${version}; this build reads version ${FORMAT_VERSION}`,
    version > FORMAT_VERSION
      ? 'run the newer Weft that wrote it'
      : 'no release has written it: export its contexts with the build that did, and import them into a new store',
    { directory, found: version, supported: FORMAT_VERSION },
  )
}

export function writeFormat(writer: GroupWriter): Promise<void> {
  const value = Buffer.from(format(FORMAT_VERSION))
  return writer.write({ tenant: '', operations: [{ key: FORMAT_KEY, value }] })
}

function format(version: number | ''): string {
  return `weft-store ${version}`
}
