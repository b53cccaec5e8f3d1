import { type EntryId, Staleness, type View, WeftError } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { type ContextCopy, findChange, viewOf } from '../logs/context-copy.js'
import { type Cause, formatWhy, type Why } from '../formats/causality-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('why')
    .description(
      'What an entry was derived from, and what has become of that: whether it is stale, by whom, when.',
    )
    .argument('<workflow>', 'workflow to read')
    .argument('<entry>', 'id of an entry, or the beginning of it; without an index the first of its change')
    .option('--branch <name>', 'as this branch shows it (else all branches together)')
    .action(async (workflow: string, id: string, flags: { branch?: string }, self: Command) => {
      const copy = await readContext(cli, self, workflow)
      cli.output.result(whyOf(copy, viewOf(copy, flags.branch), id), formatWhy)
    })
  withExamples(
    withJson(withSource(command)),
    ['weft why wf-42 3fa9c1d2.0', 'what that entry was derived from'],
    ['weft why wf-42 3fa9c1d2 --file wf-42.jsonl --json', 'the same of an export, for a program'],
  )
}

function whyOf(copy: ContextCopy, view: View, id: string): Why {
  const { set } = copy
  const [prefix = '', index = '0'] = id.split('.')
  const node = findChange(copy, prefix)
  const entry = node !== undefined && view.has(node) ? set.entriesOf(node)[Number(index)] : undefined
  if (node === undefined || entry === undefined) throw unknown(copy, id)
  const staleness = new Staleness(set, view)
  const stale = staleness.why(entry.id)
  const causes = (stale?.causes ?? []).map((cause): Cause => {
    const { agent, branch, time, notes } = set.change(set.dag.node(cause.change)).header
    return { ...cause, agent, branch, time, reason: notes.reason }
  })
  return {
    entry,
    reads: staleness.derivedFrom(entry.id),
    stale: stale !== undefined,
    causes,
    causesLeftOut: stale?.causesLeftOut ?? 0,
    via: stale?.via ?? [],
    revertedBy: set.ids(set.reverts.standing(view).get(node) ?? []),
  }
}

function unknown({ workflow }: ContextCopy, id: EntryId): WeftError {
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `${workflow} shows no entry ${JSON.stringify(id.slice(0, 80))}`,
    '`weft log` lists the ids; write at least 4 digits, then a dot and the index of the entry',
  )
}
