import { EXIT, usage } from '../base/failure.js'
import type { Cli } from '../cli/cli.js'
import { reportTable } from './report-table.js'
import { type Progress, type ReplayReport, runReplay } from './run.js'
import { readTraces } from './trace-file.js'
import { badFile, fanOutsOf } from './traces.js'

export interface ReplayFlags {
  readonly workers: string
  readonly killWorker?: boolean
  readonly killPeer?: boolean
}

const WORKERS_MAX = 64

/** Replays a file of recorded runs and prints what held. */
export async function replayFile(cli: Cli, file: string, flags: ReplayFlags): Promise<void> {
  const workers = parseWorkers(flags.workers)
  const traces = await readTraces(file)
  if (traces.every(({ messages }) => messages.length === 0))
    throw badFile(file, 'it has runs, and not one message in them', 'pass runs with at least one message')
  const fanOuts = fanOutsOf(traces)
  const interrupted = new AbortController()
  const onSignal = (): void => interrupted.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const report = await runReplay({
      fanOuts,
      workers,
      killWorker: flags.killWorker === true,
      killPeer: flags.killPeer === true,
      signal: interrupted.signal,
      onProgress: progress => cli.output.progress(progressLine(progress)),
    })
    cli.output.result(cli.json ? withoutRuns(report) : report, each =>
      reportTable(each as ReplayReport, cli.output.paint),
    )
    if (!report.ok) cli.exitCode = EXIT.failed
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

function withoutRuns({ merged: _, ...totals }: ReplayReport): Omit<ReplayReport, 'merged'> {
  return totals
}

function progressLine({ phase, acked, attemptsDone, attempts }: Progress): string {
  return `${phase}: ${attemptsDone} of ${attempts} attempts played, ${acked} changes acknowledged`
}

function parseWorkers(text: string): number {
  const workers = Number(text)
  if (/^\d+$/.test(text) && workers >= 1 && workers <= WORKERS_MAX) return workers
  throw usage(
    `--workers ${JSON.stringify(text)} is not a count`,
    `write a whole number from 1 to ${WORKERS_MAX}`,
  )
}
