import type { Hash } from '../base/ports.js'
import { decodeChange } from '../change/change.js'
import type { LogRecord } from '../change/store.js'
import { Erasures } from './erasures.js'

/** A log in which nothing is left of what its own changes erase (ERA-1). */
export interface ErasedLog {
  readonly records: readonly LogRecord[]
  /** Those that have lost their content, and that nothing in the log erases: they are damaged. */
  readonly bare: readonly LogRecord[]
}

/** For whoever puts a log together from several copies, of which some may be older than an erasure. @throws WEFT_CHANGE_* */
export function erasedLog(records: readonly LogRecord[], hash: Hash): ErasedLog {
  const changes = records.map(({ bytes }) => decodeChange(bytes, hash))
  const erasures = new Erasures(hash)
  for (const change of changes) erasures.add(change)
  return {
    records: records.map((record, at) => ({ ...record, bytes: erasures.kept(changes[at]!).bytes })),
    bare: records.filter(({ id }, at) => !changes[at]!.complete && !erasures.has(id)),
  }
}
