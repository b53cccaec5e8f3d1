import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { damageOfJournal } from './journal-file.js'
import { tablesOfManifest } from './manifest.js'
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
 * all of it, and nothing through LevelDB: so no damage can end the process. Tables that are no part of the store are passed
 * over: a crash leaves one that was being written.
 * @param only `journals` leaves the tables out, which are most of it
 */
export async function* checkFiles(
  directory: string,
  only: 'all' | 'journals' = 'all',
): AsyncGenerator<FileVerdict> {
  const tables = only === 'all' ? await tablesOf(directory) : undefined
  for (const file of (await readdir(directory)).sort()) {
    const isJournal = JOURNAL.test(file)
    if (!isJournal && !(only === 'all' && TABLE.test(file))) continue
    if (!isJournal && tables?.has(Number.parseInt(file, 10)) === false) continue
    const bytes = await readFile(join(directory, file))
    const damage = isJournal ? journalDamage(bytes) : damageOfTable(bytes)
    yield { file, bytes: bytes.length, damage }
  }
}

/** Undefined when nothing says which there are: then all are looked at. */
async function tablesOf(directory: string): Promise<ReadonlySet<number> | undefined> {
  try {
    const manifest = (await readFile(join(directory, 'CURRENT'), 'utf8')).trimEnd()
    return tablesOfManifest(await readFile(join(directory, manifest)))
  } catch {
    return undefined
  }
}

function journalDamage(bytes: Uint8Array): string[] {
  const at = damageOfJournal(bytes)
  return at === undefined ? [] : [`a record at ${at}`]
}
