import type { Command } from 'commander'
import { withExamples, withJson } from '../settings/options.js'
import type { Cli } from '../cli/cli.js'
import type { ReplayFlags } from '../replay/command.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('replay')
    .description(
      'Replays recorded agent runs as real fan-outs, for two tenants that use the same workflow ids: a durable peer and\n' +
        'workers in processes of their own, branches forked, played at once and merged. Then checks every promise.\n' +
        'Counts of workflows, branches and entries are per tenant.',
    )
    .argument('<file>', 'recorded runs, one JSON object a line: {"workflow", "branch", "messages"}')
    .option('--workers <n>', 'worker processes', '4')
    .option('--kill-worker', 'kill a worker (SIGKILL) in the middle of an attempt; another resumes it')
    .option('--kill-peer', 'kill the peer (SIGKILL) halfway through and start it again')
    .action(async (file: string, flags: ReplayFlags) => {
      const { replayFile } = await import('../replay/command.js')
      return replayFile(cli, file, flags)
    })
  withExamples(
    withJson(command, 'print one JSON object: what was counted, and `ok`'),
    ['weft replay runs.jsonl --kill-worker --kill-peer', 'the whole story on your own runs'],
    ['weft replay runs.jsonl --workers 8 --json', 'for a program; exits 1 unless all holds'],
  )
}
