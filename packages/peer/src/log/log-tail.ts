import type { LogRecord, Position } from '@weft/core'

const BYTES_MAX = 1_048_576
const RECORDS_MAX = 4_096

/** The last records of a log, kept in memory for those who follow it closely. */
export class LogTail {
  #records: LogRecord[] = []
  #bytes = 0

  /** The log has grown by these; what is farthest back is let go of where there is too much. */
  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += record.bytes.length
    }
    let drop = 0
    while (this.#bytes > BYTES_MAX || this.#records.length - drop > RECORDS_MAX) {
      this.#bytes -= this.#records[drop++]!.bytes.length
    }
    if (drop > 0) this.#records = this.#records.slice(drop)
  }

  /** These are from now on what the log holds at their positions (ERA-1). */
  replace(records: readonly LogRecord[]): void {
    if (records.length === 0) return
    const byPosition = new Map(records.map(record => [record.position, record]))
    this.#records = this.#records.map(record => byPosition.get(record.position) ?? record)
    this.#bytes = this.#records.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Records from `from` on, as `TenantStore.read`; undefined where the one at `from` is not here. */
  read(from: Position, bytes_max: number): readonly LogRecord[] | undefined {
    return recordsFrom(this.#records, from, bytes_max)
  }
}

/** Of records that follow each other, those from `from` on, as `TenantStore.read`; undefined where they begin later. */
export function recordsFrom(
  records: readonly LogRecord[],
  from: Position,
  bytes_max: number,
): readonly LogRecord[] | undefined {
  const first = records[0]
  if (first === undefined || from < first.position) return undefined
  const start = from - first.position
  let bytes = 0
  let end = start
  while (end < records.length && (end === start || bytes < bytes_max)) bytes += records[end++]!.bytes.length
  return records.slice(start, end)
}
