import { MAIN_BRANCH, WeftError } from '@weft/core'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { checkBranch, type ContextCopy, findChange, findTarget } from '../logs/context-copy.js'
import { formatEntry, formatOverview, formatRecord, overviewOf, recordOf } from '../formats/show-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

interface ShowFlags {
  readonly at?: string
  readonly branch: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('show')
    .description('A context: its state, heads, branches and conflicts. Or one change or entry of it in full.')
    .argument('<workflow>', 'workflow to read')
    .argument('[id]', 'id of a change or an entry, or the beginning of it')
    .option('--at <position>', 'as it was at this position of the log')
    .option('--branch <name>', 'the branch to show', MAIN_BRANCH)
    .action(async (workflow: string, id: string | undefined, flags: ShowFlags, self: Command) => {
      if (id !== undefined && flags.at !== undefined) {
        throw usage('a change is what it is at any position', 'leave out --at, or the id')
      }
      const copy = await readContext(cli, self, workflow)
      if (id === undefined) showContext(cli, copy, flags)
      else showOne(cli, copy, id)
    })
  withExamples(
    withJson(withSource(command)),
    ['weft show wf-42', 'what its main branch shows now'],
    ['weft show wf-42 --at 120', 'what it showed at position 120'],
    ['weft show wf-42 3fa9c1d2', 'the change whose id begins so'],
  )
}

function showContext({ output }: Cli, copy: ContextCopy, { at, branch }: ShowFlags): void {
  checkBranch(copy, branch)
  if (at !== undefined && !/^@?\d{1,15}$/.test(at)) {
    throw usage(`--at ${JSON.stringify(at)} is not a position`, `write a number up to ${copy.index.position}`)
  }
  const target = findTarget(copy, at === undefined ? branch : `@${at.replace('@', '')}`, branch)
  output.result(overviewOf(copy, target), formatOverview)
}

function showOne({ output }: Cli, copy: ContextCopy, id: string): void {
  const [prefix = '', index] = id.split('.')
  const node = findChange(copy, prefix)
  if (node === undefined) throw unknown(copy, id)
  if (index === undefined) {
    output.result(recordOf(copy, node), formatRecord)
    return
  }
  const entry = copy.set.entriesOf(node)[Number(index)]
  if (entry === undefined) throw unknown(copy, id)
  output.result(entry, formatEntry)
}

function unknown({ workflow }: ContextCopy, id: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `${workflow} has no change or entry ${JSON.stringify(id.slice(0, 80))}`,
    '`weft log` lists the ids; write at least 4 digits',
  )
}
