import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { EXIT, exitCodeOf, Output, readTraces, SAMPLE_TRACES } from '@weft/cli'
import { WeftError } from '@weft/replica'
import type { Mistake } from './mistake.js'
import { INTRODUCTION, mistakeLines, summaryLines } from './report.js'
import { run, type ShownMistake } from './run.js'
import { workloadOf } from './workload.js'

const HELP = `Usage: npm run mistakes -- [--traces FILE] [--json]

Shows seven mistakes by which agents lose their context: each first on a shared
store, the usual way, then on Weft, with the same texts and the same interleaving.

  --traces FILE  recorded runs to take them from instead of the sample: one a
                 line, {"workflow": id, "branch": id, "messages": [{"role": …}, …]}
  --json         one JSON object: the verdict and the outcome of each way, and "ok"
  --help         this

Exit codes:
  0  all seven corrupt the context without Weft, and hold with it
  1  one does not, or FILE cannot be used
  2  an unknown flag`

/** Runs the command line of this process. @returns its exit code */
export async function main(mistakes: readonly Mistake[], args = process.argv.slice(2)): Promise<number> {
  const { stdout, stderr, env } = process
  const output = new Output(stdout, stderr, env, args.includes('--json'))
  try {
    return await runCommand(mistakes, args, output)
  } catch (error) {
    if (!(error instanceof WeftError)) throw error
    output.failure(error)
    return exitCodeOf(error.code)
  } finally {
    await output.flushed()
  }
}

async function runCommand(
  mistakes: readonly Mistake[],
  args: readonly string[],
  output: Output,
): Promise<number> {
  const flags = parseFlags(args)
  if (flags.help) {
    output.line(HELP)
    return EXIT.ok
  }
  const workload = workloadOf(await readTraces(flags.traces), flags.traces)
  if (!flags.json) for (const line of INTRODUCTION) output.line(line)
  const onShown = (shown: ShownMistake): void => {
    if (!flags.json) for (const line of mistakeLines(shown, output.paint)) output.line(line)
  }
  const report = await run(mistakes, workload, relative('', flags.traces), { onShown })
  output.result(report, () => summaryLines(report, output.paint))
  return report.ok ? EXIT.ok : EXIT.failed
}

interface Flags {
  readonly traces: string
  readonly json: boolean
  readonly help: boolean
}

function parseFlags(args: readonly string[]): Flags {
  try {
    const options = {
      traces: { type: 'string', default: SAMPLE_TRACES },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    } as const
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    const cure = 'see --help'
    throw new WeftError('WEFT_USAGE', error instanceof Error ? error.message : String(error), cure)
  }
}
