import { entryId, WeftError } from '@weft/core'
import type { Command } from 'commander'
import { withExamples, withJson, withPeer } from '../settings/options.js'
import { type ContextCopy, findChange } from '../logs/context-copy.js'
import { formatErasure } from '../formats/erase-format.js'
import { type Cli, required } from '../cli/cli.js'
import { withContext } from '../peers/peer-client.js'
import { copyOf } from '../peers/source.js'

interface EraseFlags {
  readonly reason?: string
  readonly withDerived?: true
  readonly dryRun?: true
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('erase')
    .description(
      'Erase what entries or changes hold, for good: from the peer and its disk, from every replica, from exports and ' +
        'backups that are made from then on. Headers stay, and readers see that something was erased, by whom and why. ' +
        'Takes a token with the scopes write and admin. Exports and backups that were made before are yours to destroy.',
    )
    .argument('<workflow>', 'workflow to erase in')
    .argument('<id...>', 'ids of entries or changes, or the beginning of them; a change is erased whole')
    .option('--reason <text>', 'why, for people; it stays, so name nothing in it that has to go')
    .option('--with-derived', 'erase also what was derived from it: what --dry-run names')
    .option('--dry-run', 'say what would be erased and what was derived from it, and write nothing')
    .action(async (workflow: string, ids: string[], flags: EraseFlags, self: Command) => {
      const { reason, withDerived, dryRun } = flags
      const settings = cli.settings(self)
      const erasure = await withContext(cli, settings, workflow, ({ context }) => {
        const targets = namedIn(copyOf(context), ids)
        return context.erase(targets, {
          timeout_ms: required(settings, 'timeout') * 1_000,
          ...(reason !== undefined && { reason }),
          ...(withDerived && { withDerived }),
          ...(dryRun && { dryRun }),
        })
      })
      cli.output.result({ workflow, dryRun: dryRun ?? false, ...erasure }, formatErasure)
    })
  withExamples(
    withJson(withPeer(command)),
    ['weft erase wf-42 3fa9c1d2.0 --dry-run', 'what would go with that entry, and what was derived from it'],
    ['weft erase wf-42 3fa9c1d2 --reason "asked for by its author"', 'erases all that the change holds'],
  )
}

/** The ids that a person wrote, in full. @throws WEFT_CHANGE_UNKNOWN · WEFT_USAGE when several begin so */
function namedIn(copy: ContextCopy, ids: readonly string[]): string[] {
  return ids.map(text => {
    const [prefix = '', index, more] = text.replace(/^entry:/, '').split('.')
    const node = findChange(copy, prefix)
    const isEntry = index !== undefined && /^\d+$/.test(index)
    if (node === undefined || more !== undefined || (index !== undefined && !isEntry))
      throw unknown(copy, text)
    const id = copy.set.dag.id(node)
    return index === undefined ? id : entryId(id, Number(index))
  })
}

function unknown({ workflow }: ContextCopy, id: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_UNKNOWN',
    `${workflow} has no change or entry ${JSON.stringify(id.slice(0, 80))}`,
    '`weft log` lists the ids; write at least 4 digits',
  )
}
