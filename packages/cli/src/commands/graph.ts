import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { formatGraph } from '../formats/graph-format.js'
import { graphRuns } from '../formats/graph-runs.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('graph')
    .description('The branches of a context as lanes, from fork to merge, the oldest on top.')
    .argument('<workflow>', 'workflow to draw')
    .option('--changes', 'a line for every change, not for every run of a branch')
    .action(async (workflow: string, flags: { changes?: true }, self: Command) => {
      const runs = graphRuns(await readContext(cli, self, workflow), flags.changes)
      const { output } = cli
      if (cli.json) output.data({ workflow, runs })
      else for (const line of formatGraph(runs, output.paint, output.columns)) output.line(line)
    })
  withExamples(
    withJson(withSource(command)),
    ['weft graph wf-42', 'one line for each run of changes'],
    ['weft graph wf-42 --changes | less', 'one line for each change'],
  )
}
