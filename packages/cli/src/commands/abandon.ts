import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withPeer } from '../settings/options.js'
import { type Cli, required } from '../cli/cli.js'
import { withContext } from '../peers/peer-client.js'

interface AbandonFlags {
  readonly branch?: readonly string[]
  readonly unmerged?: true
  readonly reason?: string
  readonly dryRun?: true
}

interface Abandoned {
  readonly workflow: string
  readonly dryRun: boolean
  readonly branches: readonly string[]
  /** Of the last change that it took; null when there was nothing to write. */
  readonly position: number | null
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('abandon')
    .description(
      'End branches without merging them. What is on them stays in the log and is read by their names; they no longer count ' +
        'among the heads of the context, of which it may have 4,096. A branch that is written to later goes on.',
    )
    .argument('<workflow>', 'workflow that they are of')
    .option('--branch <name...>', 'branches to abandon')
    .option('--unmerged', 'instead: all that nobody has merged or abandoned')
    .option('--reason <text>', 'why, for people')
    .option('--dry-run', 'say what would be abandoned, and write nothing')
    .action(async (workflow: string, flags: AbandonFlags, self: Command) => {
      const { branch: named = [], unmerged = false, reason, dryRun = false } = flags
      if (unmerged === named.length > 0)
        throw usage('say which branches to abandon: --branch or --unmerged', '`weft graph` shows them')
      const settings = cli.settings(self)
      const abandoned = await withContext(cli, settings, workflow, async ({ context }) => {
        const branches = unmerged ? context.unmerged : named
        const options = { dryRun, ...(reason !== undefined && { reason }) }
        const { change, committed } = context.abandon(branches, options)
        await context.flush({ timeout_ms: required(settings, 'timeout') * 1_000 })
        return { workflow, dryRun, branches, position: change === undefined ? null : await committed }
      })
      cli.output.result(abandoned, format)
    })
  withExamples(
    withJson(withPeer(command)),
    [
      'weft abandon wf-42 --branch attempt-2 attempt-3 --reason "attempt-1 won"',
      'ends the attempts that lost',
    ],
    ['weft abandon wf-42 --unmerged --dry-run', 'lists what nobody has merged'],
  )
}

function format({ dryRun, branches, position }: Abandoned): string[] {
  if (branches.length === 0) return ['nothing is unmerged']
  const where = position === null ? '' : `, at position ${position}`
  return [
    `${dryRun ? 'would abandon' : 'abandoned'} ${plural(branches.length, 'branch')}${where}`,
    ...branches.map(name => `  ${name}`),
  ]
}
