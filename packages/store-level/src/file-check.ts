import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { damageOfJournal } from './journal-file.js'
import { damageOfTable } from './table-file.js'

/** A file of a store that was looked at. */
export interface FileVerdict {
  readonly file: string
  readonly bytes: number
  /** What is wrong with it; empty when every checksum in it holds. */
  readonly damage: readonly string[]
}

const TABLE = /^\d+\.(ldb|sst)$/
const JOURNAL = /^(\d+\.log|MANIFEST-\d+)$/

/** Whether LevelDB keeps something in a file of this name that it does not make anew. */
export function isTable(name: string): boolean {
  return TABLE.test(name)
}

/**
 * Checks the files of a store that is closed by LevelDB's own checksums, which its binding cannot be told to look at. Reads
 * all of it, and nothing through LevelDB: so no damage can end the process.
 * @param only `journals` leaves the tables out, which are most of it
 */
export async function* checkFiles(
  directory: string,
  only: 'all' | 'journals' = 'all',
): AsyncGenerator<FileVerdict> {
  for (const file of (await readdir(directory)).sort()) {
    const isJournal = JOURNAL.test(file)
    if (!isJournal && !(only === 'all' && TABLE.test(file))) continue
    const bytes = await readFile(join(directory, file))
    const damage = isJournal ? journalDamage(bytes) : damageOfTable(bytes)
    yield { file, bytes: bytes.length, damage }
  }
}

function journalDamage(bytes: Uint8Array): string[] {
  const at = damageOfJournal(bytes)
  return at === undefined ? [] : [`a record at ${at}`]
}
