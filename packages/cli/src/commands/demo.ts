import type { Command } from 'commander'
import { SAMPLE_TRACES } from '../package-files.js'
import { withExamples, withJson } from '../settings/options.js'
import type { Cli } from '../cli/cli.js'

interface DemoFlags {
  readonly traces: string
  readonly workers: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('demo')
    .description(
      'The main job, before your eyes: agents fork branches of shared contexts, write at once, a worker and the peer are\n' +
        'killed, the branches merge, and every promise is checked.',
    )
    .option('--traces <file>', 'recorded runs to play instead of the sample', SAMPLE_TRACES)
    .option('--workers <n>', 'worker processes', '4')
    .action(async ({ traces, workers }: DemoFlags) => {
      cli.output.note(
        'weft demo: a durable peer, workers and two tenants, each worker and the peer in a process of its own.',
      )
      const { replayFile } = await import('../replay/command.js')
      return replayFile(cli, traces, { workers, killWorker: true, killPeer: true })
    })
  withExamples(
    withJson(command, 'print one JSON object: what was counted, and `ok`'),
    ['weft demo', 'about ten seconds'],
    ['weft demo --traces runs.jsonl', 'the same on your own runs'],
  )
}
