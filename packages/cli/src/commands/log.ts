import { type AuditFilter, audit, type FlattenOrder, type View } from '@weft/core'
import { type Command, Option } from 'commander'
import { usage } from '../base/failure.js'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { checkBranch, type ContextCopy } from '../logs/context-copy.js'
import { formatLog, type LogRow, logJson } from '../formats/log-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

interface LogFlags {
  readonly branch?: string
  readonly own?: true
  readonly order: FlattenOrder
  readonly kind?: string
  readonly agent?: string
  readonly pointer?: string
  readonly limit?: string
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('log')
    .description('The changes of a context, one a line, in causal order, the oldest first.')
    .argument('<workflow>', 'workflow to read')
    .option('--branch <name>', 'what is visible on this branch (else on any)')
    .option('--own', 'with --branch: only what was written on it')
    .addOption(
      new Option('--order <order>', 'each branch in one run, or all by the clock of causes')
        .choices(['branches', 'interleaved'])
        .default('branches'),
    )
    .option('--kind <kind>', 'only changes with an entry of this kind')
    .option('--agent <id>', 'only what this agent wrote')
    .option('--pointer <pointer>', 'only what wrote this JSON pointer of the state, or above or below it')
    .option('--limit <n>', 'only the last n')
    .action(async (workflow: string, flags: LogFlags, self: Command) => {
      const limit = parseLimit(flags.limit)
      const copy = await readContext(cli, self, workflow)
      const rows = select(copy, flags).slice(limit === undefined ? 0 : -limit)
      const { output } = cli
      if (cli.json) for (const row of rows) output.data(logJson(row))
      else for (const line of formatLog(rows, output.paint, output.columns)) output.line(line)
    })
  withExamples(
    withJson(withSource(command), 'print one JSON object a line'),
    ['weft log wf-42 --limit 20', 'the last 20 changes'],
    ['weft log wf-42 --pointer /constraints --json', 'who wrote the constraints, for a program'],
  )
}

function select(copy: ContextCopy, flags: LogFlags): LogRow[] {
  const { set, index } = copy
  const { branch, own, kind, agent, pointer } = flags
  if (own && branch === undefined) throw usage('--own says nothing without --branch', 'pass --branch too')
  const view = branch === undefined ? set.everything() : set.view(checkBranch(copy, branch))
  const filter: AuditFilter = {
    ...(kind !== undefined && { kind }),
    ...(agent !== undefined && { agent }),
    ...(pointer !== undefined && { pointer }),
    ...(own && branch !== undefined && { branch }),
  }
  const rows = [...audit(set, view, filter)].map(record => ({
    record,
    position: index.positionOf(record.change),
  }))
  return flags.order === 'interleaved' ? interleave(copy, view, rows) : rows
}

function interleave({ set }: ContextCopy, view: View, rows: readonly LogRow[]): LogRow[] {
  const byId = new Map(rows.map(row => [row.record.change, row]))
  return [...view.flatten('interleaved')].flatMap(node => byId.get(set.dag.id(node)) ?? [])
}

function parseLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usage(`--limit ${JSON.stringify(text)} is not a count`, 'write a whole number from 1')
}
