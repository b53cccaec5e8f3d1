import { type AuditRecord, moveMark, type Position, sayWritten } from '@weft/core'
import type { Paint } from '../base/colour.js'
import { clip, countKinds, shortId, table, wordsOf } from '../base/text.js'

export interface LogRow {
  readonly record: AuditRecord
  readonly position: Position | undefined
}

const TEXT_WIDTH = 200

/** One line a change: position, id, branch, agent, what it holds. */
export function formatLog(rows: readonly LogRow[], paint: Paint, columns = TEXT_WIDTH): string[] {
  const heads = rows.map(({ record, position }) => [
    String(position ?? '-').padStart(6),
    shortId(record.change),
    record.branch,
    record.agent,
  ])
  return table(heads.map(head => [...head, ''])).map((head, index) => {
    const { change } = rows[index]!.record
    const room = Math.max(20, columns - head.length)
    return (
      head.replace(shortId(change), id => paint('yellow', id)) +
      clip(describeChange(rows[index]!.record), room)
    )
  })
}

/** Of a change, what `describeChange` tells. */
type Told = Pick<AuditRecord, 'pointers' | 'moved' | 'forks' | 'merges' | 'abandons' | 'reason' | 'lease'> & {
  readonly erases?: AuditRecord['erases']
  readonly erased?: AuditRecord['erased']
  readonly entries: readonly (Pick<AuditRecord['entries'][number], 'kind' | 'value'> & {
    readonly erased?: unknown
  })[]
}

/** What a change did, in one line: kinds and first words of its entries, pointers, branches, reason. */
export function describeChange(record: Told): string {
  const { entries, forks, merges, abandons, reason, lease, erases = [], erased } = record
  const written = writtenIn(record)
  const [first] = erases.length > 0 ? [] : entries
  const said = [
    forks.length > 0 ? `forks ${forks.join(', ')}` : '',
    merges.length > 0 ? `merges ${merges.join(', ')}` : '',
    abandons.length > 0 ? `abandons ${abandons.join(', ')}` : '',
    erases.length > 0 ? `erases ${erases.map(shortId).join(', ')}` : '',
    lease ? `${lease.ttl_ms > 0 ? 'leases' : 'gives back'} ${lease.on}, epoch ${lease.epoch}` : '',
    first ? `${countKinds(entries.map(({ kind }) => kind))}: ${clip(wordsOf(first), TEXT_WIDTH)}` : '',
    written.length > 0 ? `[${written.join(' ')}]` : '',
    erased && written.length > 0 ? '(values erased)' : '',
    reason === undefined ? '' : `(${reason})`,
  ]
  return said.filter(text => text !== '').join('  ') || '(nothing)'
}

/** What a change wrote to the state, in words where a pointer does not say it. */
export function writtenIn({ pointers, moved = [] }: Pick<AuditRecord, 'pointers' | 'moved'>): string[] {
  return [...pointers, ...moved.map(moveMark)].map(sayWritten)
}

/** A record as `--json` prints it. */
export function logJson({ record, position }: LogRow): object {
  return { position: position ?? null, ...record }
}
