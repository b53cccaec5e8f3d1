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

/**
 * What LevelDB gathers in memory before it writes a table; by default a quarter of it. While it writes one, writes go on
 * until as much has gathered again, and then all of them wait: with more room a burst is over before that.
 */
const WRITE_BUFFER_BYTES = 16_777_216

export function levelDatabase(directory: string): Database {
  return new Level<string, Uint8Array>(directory, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
  })
}

type Compacting = Database & { compactRange?(start: string, end: string): Promise<void> }

/**
 * Writes tables anew that hold keys of a range, and lets go of the journal before. The types of `level` leave out what only
 * Node's implementation has; a database of another make keeps no old values to be rid of.
 */
export async function compact(db: Database, start = '', end = '\x7f'): Promise<void> {
  await (db as Compacting).compactRange?.(start, end)
}
