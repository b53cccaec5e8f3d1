import { type AuditFilter, audit } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { viewOf } from '../logs/context-copy.js'
import { formatAudit } from '../formats/causality-format.js'
import { logJson } from '../formats/log-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

interface AuditFlags {
  readonly branch?: string
  readonly pointer?: string
  readonly agent?: string
  readonly kind?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('audit')
    .description(
      'Who wrote what, when, why and from what, and what was reverted: one change a line, in causal order.',
    )
    .argument('<workflow>', 'workflow to read')
    .option('--branch <name>', 'what is visible on this branch (else on any)')
    .option('--pointer <pointer>', 'only what wrote this JSON pointer of the state, or above or below it')
    .option('--agent <id>', 'only what this agent wrote')
    .option('--kind <kind>', 'only changes with an entry of this kind')
    .action(async (workflow: string, flags: AuditFlags, self: Command) => {
      const copy = await readContext(cli, self, workflow)
      const { branch, ...filter } = flags
      const rows = [...audit(copy.set, viewOf(copy, branch), filterOf(filter))].map(record => ({
        record,
        position: copy.index.positionOf(record.change),
      }))
      if (cli.json) for (const row of rows) cli.output.data(logJson(row))
      else for (const line of formatAudit(rows)) cli.output.line(line)
    })
  withExamples(
    withJson(withSource(command), 'print one JSON object a line'),
    ['weft audit wf-42 --pointer /constraints', 'who wrote the constraints, when, and why'],
    [
      'weft audit wf-42 --agent planner --file wf-42.jsonl --json',
      'all that one agent wrote, from an export',
    ],
  )
}

function filterOf({ pointer, agent, kind }: AuditFlags): AuditFilter {
  return {
    ...(pointer !== undefined && { pointer }),
    ...(agent !== undefined && { agent }),
    ...(kind !== undefined && { kind }),
  }
}
