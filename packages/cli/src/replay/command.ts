import { readFile } from 'node:fs/promises'
import { reasonOf, WeftError } from '@weft/core'
import type { Cli } from '../cli.js'
import { EXIT, usage } from '../failure.js'
import { reportTable } from './report-table.js'
import { type Progress, type ReplayReport, runReplay } from './run.js'
import { fanOutsOf, parseTraces } from './traces.js'

export interface ReplayFlags {
  readonly workers: string
  readonly killWorker?: boolean
  readonly killPeer?: boolean
}

const WORKERS_MAX = 64

/** Replays a file of recorded runs and prints what held. */
export async function replayFile(cli: Cli, file: string, flags: ReplayFlags): Promise<void> {
  const workers = parseWorkers(flags.workers)
  const fanOuts = fanOutsOf(parseTraces(await readTraces(file), file))
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

async function readTraces(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new WeftError('WEFT_FILE_INVALID', `${file} cannot be read: ${reasonOf(error)}`, 'check the path', {
      file,
    })
  }
}
