import {
  type AuditRecord,
  type BlastRadius,
  type Conflict,
  type Entry,
  formatRef,
  type Resolution,
  sayRef,
  sayWritten,
  type StaleCause,
  type VersionedRef,
} from '@weft/core'
import { clip, formatTime, plural, printable, shortId, table, wordsOf } from '../base/text.js'
import { describeChange, type LogRow } from './log-format.js'
import { formatConflict } from './show-format.js'

/** What made an entry stale, and who wrote it. */
export type Cause = StaleCause & Pick<AuditRecord, 'agent' | 'branch' | 'time' | 'reason'>

export interface Why {
  readonly entry: Entry
  readonly reads: readonly VersionedRef[]
  readonly stale: boolean
  readonly causes: readonly Cause[]
  readonly causesLeftOut: number
  readonly via: readonly string[]
  readonly revertedBy: readonly string[]
}

export function formatWhy({ entry, reads, stale, causes, causesLeftOut, via, revertedBy }: Why): string[] {
  return [
    `entry      ${entry.id}`,
    `says       ${entry.kind}: ${clip(wordsOf(entry), 100)}`,
    `written    on ${entry.branch} by ${entry.agent}, ${formatTime(entry.time)}`,
    ...reads.map(read => `read       ${clip(formatRef(read), 200)}`),
    ...(reads.length === 0 ? ['read       nothing that was recorded'] : []),
    ...revertedBy.map(change => `reverted   by ${shortId(change)}`),
    `stale      ${stale ? 'yes' : 'no'}`,
    ...causes.map(
      ({ kind, wrote, agent, branch, change, time, reason }) =>
        `  ${kind}: ${clip(sayRef(wrote), 100)} by ${agent} on ${branch}, ${shortId(change)}, ${formatTime(time)}${because(reason)}`,
    ),
    ...(causesLeftOut > 0 ? [`  and ${causesLeftOut} more`] : []),
    ...via.map(source => `  derived from ${shortId(source)}, which is stale`),
  ]
}

export interface Blast extends BlastRadius {
  readonly ref: string
}

export function formatBlast({ ref, changes, branches }: Blast, entries: readonly Entry[]): string[] {
  if (changes.length === 0) return [`nothing was derived from ${printable(ref)}`]
  const counted = [plural(entries.length, 'entry'), plural(changes.length, 'change')].join(' of ')
  return [
    `from ${printable(ref)} come ${counted}, on ${branches.join(', ')}`,
    ...table(
      entries.map(entry => [
        shortId(entry.id),
        entry.branch,
        entry.agent,
        `${entry.kind}: ${clip(wordsOf(entry), 80)}`,
      ]),
    ),
  ]
}

export interface Ledger {
  readonly branch: string
  readonly open: readonly Conflict[]
  readonly resolved: readonly Resolution[]
}

export function formatLedger({ branch, open, resolved }: Ledger): string[] {
  return [
    `open on ${branch}: ${open.length === 0 ? 'none' : open.length}`,
    ...open.flatMap(conflict => [...formatConflict(conflict), `    since ${formatTime(conflict.firstTime)}`]),
    `resolved: ${resolved.length === 0 ? 'none' : resolved.length}`,
    ...resolved.map(
      ({ pointer, value, agent, change, time, reason, settled }) =>
        `  ${printable(sayWritten(pointer))} is ${clip(JSON.stringify(value) ?? '(deleted)', 60)}, of ${plural(settled.length, 'value')}` +
        `  by ${agent}, ${shortId(change)}, ${formatTime(time)}${because(reason)}`,
    ),
  ]
}

/** One line a change, with the time and what became of it. */
export function formatAudit(rows: readonly LogRow[]): string[] {
  return table(
    rows.map(({ record, position }) => [
      String(position ?? '-').padStart(6),
      formatTime(record.time),
      shortId(record.change),
      record.branch,
      record.agent,
      clip(describeChange(record), 200) + undone(record),
    ]),
  )
}

function undone({ reverts, revertedBy }: AuditRecord): string {
  const named = reverts.length === 0 ? '' : `  reverts ${reverts.map(shortId).join(', ')}`
  return revertedBy.length === 0 ? named : `${named}  reverted by ${revertedBy.map(shortId).join(', ')}`
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${clip(reason, 100)})`
}
