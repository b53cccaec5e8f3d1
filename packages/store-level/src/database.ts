import type {
  AbstractIterator,
  AbstractIteratorOptions,
  AbstractKeyIterator,
  AbstractLevel,
} from 'abstract-level'
import { Level } from 'level'

/** Keys are text, values bytes. */
export type Database = AbstractLevel<string | Buffer | Uint8Array, string, Uint8Array>
export type RowIterator = AbstractIterator<Database, string, Uint8Array>
export type KeyIterator = AbstractKeyIterator<Database, string>
/** A page of rows ends with the row that crosses the mark, where the make of the database knows of it. */
export interface RowOptions extends AbstractIteratorOptions<string, Uint8Array> {
  readonly highWaterMarkBytes: number
}

export type Snapshot = ReturnType<Database['snapshot']>

export function levelDatabase(directory: string): Database {
  return new Level<string, Uint8Array>(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
}

/** Writes all tables anew. The types of `level` leave out what only Node's implementation has. */
export function compact(db: Database): Promise<void> {
  return (db as Database & { compactRange(start: string, end: string): Promise<void> }).compactRange(
    '',
    '\x7f',
  )
}
