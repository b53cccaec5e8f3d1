import { findConflicts, findResolutions, MAIN_BRANCH, StateDoc } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { type ContextCopy, viewOf } from '../logs/context-copy.js'
import { formatLedger, type Ledger } from '../formats/causality-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('conflicts')
    .description(
      'The conflicts of a branch: those open, with all values, and those resolved, by whom and why. ' +
        '`weft resolve` settles one.',
    )
    .argument('<workflow>', 'workflow to read')
    .option('--branch <name>', 'the branch to look at', MAIN_BRANCH)
    .action(async (workflow: string, flags: { branch: string }, self: Command) => {
      const copy = await readContext(cli, self, workflow)
      cli.output.result(ledgerOf(copy, flags.branch), formatLedger)
    })
  withExamples(
    withJson(withSource(command)),
    ['weft conflicts wf-42', 'what nobody has resolved on main'],
    ['weft conflicts wf-42 --branch draft --json', 'the same of a branch, for a program'],
  )
}

function ledgerOf(copy: ContextCopy, branch: string): Ledger {
  const { set } = copy
  const view = viewOf(copy, branch)
  const state = new StateDoc(set, view)
  try {
    const open = findConflicts(set, view, state)
    return { branch, open, resolved: findResolutions(set, view, state) }
  } finally {
    state.free()
  }
}
