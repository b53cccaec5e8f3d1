import { WeftError } from '@weft/core'
import type { Database } from './base/database.js'
import { corruptStore } from './base/failures.js'
import { FORMAT_KEY } from './base/keys.js'
import type { GroupWriter } from './writes/group-writer.js'

const FORMAT_VERSION = 2
const ENCRYPTED = ' encrypted'

/**
 * Every store says which layout it has. `isOld`: there was data before this opening. LevelDB opens as empty when its
 * manifest is cut off, and a store that is taken for a new one has lost everything.
 * @param isEncrypted whether there are keys beside it
 * @returns whether it is a new one, which has to be told
 * @throws WEFT_STORE_VERSION · WEFT_STORE_CORRUPT
 */
export async function isNewStore(
  db: Database,
  directory: string,
  isOld: boolean,
  isEncrypted: boolean,
): Promise<boolean> {
  const value = await db.get(FORMAT_KEY)
  if (value === undefined) {
    if (isOld) throw corruptStore(directory, 'it holds data files, but no record of a Weft store can be read')
    return true
  }
  const text = Buffer.from(value).toString()
  const found = text.endsWith(ENCRYPTED) ? text.slice(0, -ENCRYPTED.length) : text
  if (found === format(FORMAT_VERSION)) {
    if ((found !== text) === isEncrypted) return false
    const reason = isEncrypted
      ? 'it is not encrypted, and has keys'
      : 'it is encrypted, and its directory keys is missing'
    throw corruptStore(directory, reason)
  }
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

export function writeFormat(writer: GroupWriter, isEncrypted: boolean): Promise<void> {
  const text = `${format(FORMAT_VERSION)}${isEncrypted ? ENCRYPTED : ''}`
  return writer.write({ tenant: '', operations: [{ key: FORMAT_KEY, value: Buffer.from(text) }] })
}

function format(version: number | ''): string {
  return `weft-store ${version}`
}
