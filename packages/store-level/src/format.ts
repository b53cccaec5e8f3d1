import { WeftError } from '@weft/core'
import type { Database } from './database.js'
import { corruptStore } from './failures.js'
import type { GroupWriter } from './group-writer.js'
import { FORMAT_KEY } from './keys.js'

const FORMAT_VERSION = 1

/**
 * Every store says which layout it has; a new one is told. `isOld`: there were data files before this opening. LevelDB
 * opens as empty when its manifest is cut off, and a store that is taken for a new one has lost everything.
 * @throws WEFT_STORE_VERSION · WEFT_STORE_CORRUPT
 */
export async function checkFormat(
  db: Database,
  writer: GroupWriter,
  directory: string,
  isOld: boolean,
): Promise<void> {
  const value = await db.get(FORMAT_KEY)
  if (value === undefined) {
    if (isOld) throw corruptStore(directory, 'it holds data files, but no record of a Weft store can be read')
    await writer.write({ operations: [{ key: FORMAT_KEY, value: Buffer.from(format(FORMAT_VERSION)) }] })
    return
  }
  const found = Buffer.from(value).toString()
  if (found === format(FORMAT_VERSION)) return
  const version = Number(found.slice(format('').length))
  if (!Number.isSafeInteger(version) || found !== format(version)) {
    throw corruptStore(directory, 'the record of its version is unreadable')
  }
  throw new WeftError(
    'WEFT_STORE_VERSION',
    `the store in ${directory} has version ${version}; this build reads version ${FORMAT_VERSION}`,
    version > FORMAT_VERSION
      ? 'run the newer Weft that wrote it'
      : 'migrate it with the release notes of this build',
    { directory, found: version, supported: FORMAT_VERSION },
  )
}

function format(version: number | ''): string {
  return `weft-store ${version}`
}
