import { type Iterator as LevelIterator, type KeyIterator as LevelKeyIterator, Level } from 'level'

/** Keys are text, values bytes. */
export type Database = Level<string, Uint8Array>
export type RowIterator = LevelIterator<Database, string, Uint8Array>
export type KeyIterator = LevelKeyIterator<Database, string>
export type Snapshot = ReturnType<Database['snapshot']>

export function levelDatabase(directory: string): Database {
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
}

/** Writes all tables anew. The types of `level` leave out what only Node's implementation has. */
export function compact(db: Database): Promise<void> {
  return (db as Database & { compactRange(start: string, end: string): Promise<void> }).compactRange(
    '',
    '\x7f',
  )
}
