import { type Iterator as LevelIterator, type KeyIterator as LevelKeyIterator, Level } from 'level'

/** Keys are text, values bytes. */
export type Database = Level<string, Uint8Array>
export type RowIterator = LevelIterator<Database, string, Uint8Array>
export type KeyIterator = LevelKeyIterator<Database, string>
export type Snapshot = ReturnType<Database['snapshot']>

export function levelDatabase(directory: string): Database {
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
}
