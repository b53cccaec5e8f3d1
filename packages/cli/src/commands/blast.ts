import { Staleness } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { type ContextCopy, viewOf } from '../logs/context-copy.js'
import { formatBlast } from '../formats/causality-format.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('blast')
    .description(
      'What was derived from a ref, and from that, and so on: the entries to look at when it was wrong.',
    )
    .argument('<workflow>', 'workflow to read')
    .argument(
      '<ref>',
      'state:/pointer, entry:<id>, overlay:<name> or ext:<uri>, the last two with @version or without',
    )
    .option('--branch <name>', 'as this branch shows it (else all branches together)')
    .action(async (workflow: string, ref: string, flags: { branch?: string }, self: Command) => {
      const copy = await readContext(cli, self, workflow)
      const radius = new Staleness(copy.set, viewOf(copy, flags.branch)).blastRadius(ref)
      cli.output.result({ ref, ...radius }, blast => formatBlast(blast, entriesOf(copy, blast.entries)))
    })
  withExamples(
    withJson(withSource(command)),
    ['weft blast wf-42 ext:doc/17@v3', 'what was derived from that version of the document'],
    ['weft blast wf-42 state:/constraints --json', 'what read the constraints, for a program'],
  )
}

function entriesOf({ set }: ContextCopy, ids: readonly string[]) {
  return ids.flatMap(id => {
    const [change = '', index] = id.split('.')
    return set.entriesOf(set.dag.node(change))[Number(index)] ?? []
  })
}
