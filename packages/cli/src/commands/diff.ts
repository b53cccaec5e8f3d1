import { MAIN_BRANCH } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { checkBranch, findTarget } from '../logs/context-copy.js'
import { contextDifference, formatDifference } from '../formats/diff.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('diff')
    .description('What two points of a context have and the other has not: entries, and state by pointer.')
    .argument('<workflow>', 'workflow to read')
    .argument('<a>', 'a branch, a position (12 or @12), or the beginning of a change id')
    .argument('<b>', 'another one')
    .option('--branch <name>', 'the branch that positions are of', MAIN_BRANCH)
    .action(async (workflow: string, a: string, b: string, flags: { branch: string }, self: Command) => {
      const copy = await readContext(cli, self, workflow)
      const branch = checkBranch(copy, flags.branch)
      const difference = contextDifference(copy, findTarget(copy, a, branch), findTarget(copy, b, branch))
      cli.output.result(difference, formatDifference)
    })
  withExamples(
    withJson(withSource(command)),
    ['weft diff wf-42 attempt-1 attempt-2', 'what two branches did differently'],
    ['weft diff wf-42 @100 main', 'what happened on main since position 100'],
  )
}
