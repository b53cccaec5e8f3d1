import { resolve } from 'node:path'
import { openLevelStore } from '@weft/store-level'
import type { Command } from 'commander'
import { type Cli, required } from '../cli.js'
import { parseDuration } from '../duration.js'
import { withExamples, withJson, withSettings } from '../options.js'
import { planRetention, type Removal, type Retained } from '../retain.js'
import { checkHoldsStore } from '../store-check-process.js'
import { clip, plural } from '../text.js'

interface RetainFlags {
  readonly keep: string
  readonly dryRun?: boolean
}

const REASON_CHARS = 60

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('retain')
    .description(
      'Remove the workflows of a tenant that were completed longer ago than it keeps them, from a data directory that ' +
        'no peer has open. What was never completed, or written to since, always stays.',
    )
    .requiredOption('--keep <duration>', 'how long to keep a workflow after its completion')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .action(async ({ keep, dryRun = false }: RetainFlags, self: Command) => {
      const settings = cli.settings(self)
      const rule = { keep_ms: parseDuration(keep) * 1_000 }
      const tenant = required(settings, 'tenant')
      const directory = resolve(cli.cwd, required(settings, 'data'))
      checkHoldsStore(directory)
      const store = await openLevelStore(directory)
      try {
        const contexts = store.tenant(tenant)
        // All of it is decided before any of it is done: a damaged context keeps everything as it is.
        const retained = await planRetention(contexts, rule, Date.now())
        if (!dryRun) for (const { workflow } of retained.removed) await contexts.remove(workflow)
        cli.output.result({ tenant, dryRun, ...retained }, () => format(retained, dryRun))
      } finally {
        await store.close()
      }
    })
  withSettings(command, 'tenant', 'data')
  withExamples(
    withJson(command),
    ['weft retain --tenant acme --keep 30d --dry-run --data ./data', 'what would be removed'],
    ['weft retain --tenant acme --keep 30d --data ./data', 'remove it, and say what it was'],
  )
}

function format({ removed, kept, open }: Retained, dryRun: boolean): string[] {
  const verb = dryRun ? 'would be removed' : 'removed'
  const changes = removed.reduce((sum, each) => sum + each.changes, 0)
  return [
    ...removed.map(removal => `${verb}  ${formatRemoval(removal)}`),
    ...kept.map(({ workflow, until }) => `kept  ${workflow}: until ${until}`),
    `${plural(removed.length, 'workflow')} with ${plural(changes, 'change')} ${verb}, ${kept.length} kept, ` +
      `${open.length} not completed`,
  ]
}

function formatRemoval({ workflow, changes, completed, agent, reason }: Removal): string {
  const why = reason === undefined ? '' : `: ${clip(reason, REASON_CHARS)}`
  return `${workflow}: ${plural(changes, 'change')}, completed ${completed} by ${agent}${why}`
}
