import type { Paint } from '../base/colour.js'
import type { ReplayReport } from './run.js'

interface Check {
  readonly promise: string
  readonly holds: boolean
  readonly evidence: string
}

const SHOWN_MAX = 6

/** The report as a person reads it: what was done, each promise with its evidence, the conflicts, the times. */
export function reportTable(report: ReplayReport, paint: Paint): string[] {
  return [
    '',
    ...played(report),
    '',
    ...checksTable(checksOf(report), paint),
    '',
    ...conflictLines(report, paint),
    '',
    ...staleLines(report, paint),
    '',
    timesLine(report),
    '',
    report.ok
      ? paint('green', 'Everything holds.')
      : paint('red', 'Something does not hold: see the rows marked ✗.'),
  ]
}

function played(report: ReplayReport): string[] {
  const { workflows, branches, entries, tenants, acked, workerKilled, resumedBy, peerKilled } = report
  const lines = [
    `${workflows} workflows with ${branches} parallel attempts (${entries} entries), for each of ${tenants} tenants that use the same workflow ids.`,
    `${acked} changes were acknowledged, each after its fsync.`,
  ]
  if (workerKilled)
    lines.push(
      `${workerKilled} was killed (SIGKILL) in the middle of an attempt; ${resumedBy} resumed its branch.`,
    )
  if (peerKilled) lines.push('The peer was killed (SIGKILL) halfway through and started again on its data.')
  return lines
}

function checksOf(report: ReplayReport): Check[] {
  const { ackedLost, acked, digestsEqual, replicas, foreignBytes, causal, complete, timeTravel } = report
  const { conflicts, staleReads, handoffs } = report
  return [
    {
      promise: 'Nothing acknowledged is lost',
      holds: ackedLost === 0,
      evidence: `${ackedLost} of ${acked} missing from the log`,
    },
    {
      promise: 'All replicas agree',
      holds: digestsEqual,
      evidence: `digests of ${replicas} replicas ${digestsEqual ? 'equal' : 'differ'}`,
    },
    {
      promise: 'Tenants are apart',
      holds: foreignBytes === 0,
      evidence: `${foreignBytes} bytes of the other tenant in any replica`,
    },
    {
      promise: 'Order follows cause',
      holds: causal,
      evidence: causal ? 'no change before what it depends on' : 'a change comes before its cause',
    },
    {
      promise: 'Each message once, in order',
      holds: complete,
      evidence: complete ? 'as recorded, also on the resumed branch' : 'a branch differs from its recording',
    },
    {
      promise: 'Time travel to the fork',
      holds: timeTravel,
      evidence: timeTravel ? 'shows what was there' : 'shows something else',
    },
    {
      promise: 'Handed over whole',
      holds: handoffs > 0,
      evidence: `${handoffs} handoffs, each checked before the first read`,
    },
    {
      promise: 'Concurrent writes are visible',
      holds: true,
      evidence: `${conflicts} conflicts with all their values, ${staleReads} stale reads`,
    },
  ]
}

function checksTable(checks: readonly Check[], paint: Paint): string[] {
  const width = Math.max(...checks.map(check => check.promise.length))
  return checks.map(({ promise, holds, evidence }) => {
    const sign = holds ? paint('green', '✓') : paint('red', '✗')
    return `  ${sign} ${promise.padEnd(width)}   ${evidence}`
  })
}

/** A few conflicts in full; the rest are counted. */
function conflictLines({ merged, conflicts }: ReplayReport, paint: Paint): string[] {
  if (conflicts === 0) return ['Conflicts: none.']
  const shown = merged.flatMap(({ tenant, workflow, conflicts: open }) =>
    open.map(({ pointer, values, winner }) => ({ where: `${tenant} ${workflow}`, pointer, values, winner })),
  )
  const lines = shown
    .slice(0, SHOWN_MAX)
    .map(
      ({ where, pointer, values, winner }) =>
        `  ${where}  ${pointer}  ${values} values, shows ${JSON.stringify(winner)}`,
    )
  return ['Conflicts, for somebody to resolve:', ...lines, ...more(shown.length - lines.length, paint)]
}

/** Who went on from something that others were writing at the same time: what a merge by arrival hides. */
function staleLines({ merged, staleReads }: ReplayReport, paint: Paint): string[] {
  if (staleReads === 0) return ['Stale reads: none.']
  const shown = merged.flatMap(run =>
    run.staleReads.map(stale => ({ ...stale, where: `${run.tenant} ${run.workflow}` })),
  )
  const lines = shown
    .slice(0, SHOWN_MAX)
    .map(
      ({ where, branch, read, writers }) =>
        `  ${where}  ${branch} read ${read} while ${writers} other(s) wrote it`,
    )
  return [
    'Stale reads, of attempts that did not know of each other:',
    ...lines,
    ...more(shown.length - lines.length, paint),
  ]
}

function more(count: number, paint: Paint): string[] {
  return count > 0 ? [paint('dim', `  … and ${count} more`)] : []
}

function timesLine({ phases, seconds }: ReplayReport): string {
  const parts = Object.entries(phases).map(([phase, taken]) => `${phase} ${taken.toFixed(1)} s`)
  return `Time: ${parts.join(', ')}; ${seconds.toFixed(1)} s in all.`
}
