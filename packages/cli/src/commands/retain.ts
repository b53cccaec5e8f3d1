import type { RetentionRule, Store, TenantId } from '@weft/core'
import {
  planRetention,
  type Removal,
  type RetentionPlan,
  type RetentionRun,
  retentionRuleOf,
} from '@weft/peer'
import type { Command } from 'commander'
import { parseDuration } from '../base/duration.js'
import { usage } from '../base/failure.js'
import { clip, plural } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import { sha256 } from '../logs/context-copy.js'
import { formatRule } from '../formats/retention-format.js'
import type { Cli } from '../cli/cli.js'
import { type DataDirectory, keyFileOf } from '../cli/encryption.js'
import { ask } from '../peers/http-client.js'
import { checkThere, directoryMeant, openDirectory, tenantMeant } from '../stores/open-directory.js'

interface RetainFlags {
  readonly keep?: string
  readonly dryRun?: boolean
}

interface Retained extends RetentionPlan {
  /** Null when the tenant has none: then everything stays. */
  readonly rule: RetentionRule | null
  readonly dryRun: boolean
  /** Would be removed, and somebody has them open. */
  readonly inUse: readonly string[]
}

type RetainedAt = Retained & { readonly tenant: string }

const NOTHING: RetentionPlan = { removed: [], kept: [], open: [] }
const REASON_CHARS = 60

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('retain')
    .description(
      "Remove the workflows that were completed longer ago than their tenant's rule keeps them (see weft retention), " +
        'and list them. What was never completed, or written to since, always stays. Asks a running peer, with a token ' +
        'of the scope admin for all workflows; with --data works on a directory that no peer has open, for all of its ' +
        'tenants or one.',
    )
    .option('--keep <duration>', 'with --data: for tenants that have no rule of their own')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .action(async ({ keep, dryRun = false }: RetainFlags, self: Command) => {
      const settings = cli.settings(self)
      const fallback = keep === undefined ? undefined : { keep_ms: parseDuration(keep) * 1_000 }
      const directory = directoryMeant(cli, settings)
      if (directory !== undefined) {
        const data = { directory, keyFile: keyFileOf(cli, settings) }
        await retainAll(cli, data, tenantMeant(settings), fallback, dryRun)
        return
      }
      if (fallback !== undefined)
        throw usage('--keep goes with --data', "a running peer goes by the tenant's rule: weft retention set")
      const { dry_run, in_use, ...run } = (await ask(
        cli,
        settings,
        'POST',
        `/retention?dry_run=${dryRun}`,
      )) as RetentionRun
      print(cli, { ...run, dryRun: dry_run, inUse: in_use })
    })
  withSettings(withPeer(command), 'tenant', 'data', 'encryptionKeyFile')
  withExamples(
    withJson(command, 'print one JSON object for each tenant'),
    ['weft retain --dry-run', 'what the running peer would remove of your tenant'],
    ['weft retain --tenant acme --keep 30d --data ./data', 'remove it from a directory, and say what it was'],
  )
}

/** @throws WEFT_USAGE when nothing is there to go by, and as `planRetention` */
async function retainAll(
  cli: Cli,
  data: DataDirectory,
  only: string | undefined,
  fallback: RetentionRule | undefined,
  dryRun: boolean,
): Promise<void> {
  const store = await openDirectory(cli, data)
  try {
    if (only !== undefined) await checkThere(store, only, data.directory)
    const tenants = only === undefined ? await listed(store.tenants()) : [only]
    for (const tenant of tenants) print(cli, await retainOne(store, tenant, fallback, dryRun))
  } finally {
    await store.close()
  }
}

async function retainOne(
  store: Store,
  tenant: TenantId,
  fallback: RetentionRule | undefined,
  dryRun: boolean,
): Promise<RetainedAt> {
  const contexts = store.tenant(tenant)
  const rule = (await retentionRuleOf(contexts, sha256)) ?? fallback ?? null
  // All of it is decided before any of it is done: a damaged context keeps everything as it is.
  const plan = rule === null ? NOTHING : await planRetention(contexts, rule, Date.now())
  if (!dryRun) for (const { workflow } of plan.removed) await contexts.remove(workflow)
  return { tenant, rule, dryRun, ...plan, inUse: [] }
}

async function listed<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const value of values) list.push(value)
  return list
}

function print(cli: Cli, retained: Retained | RetainedAt): void {
  cli.output.result(retained, format)
}

function format(retained: Retained | RetainedAt): string[] {
  const { rule, removed, kept, open, inUse, dryRun } = retained
  const whose = 'tenant' in retained ? `${retained.tenant}: ` : ''
  if (rule === null) return [`${whose}no rule, so everything stays (weft retention set 30d)`]
  const verb = dryRun ? 'would be removed' : 'removed'
  const changes = removed.reduce((sum, each) => sum + each.changes, 0)
  return [
    ...removed.map(removal => `${verb}  ${formatRemoval(removal)}`),
    ...inUse.map(workflow => `in use  ${workflow}: somebody has it open; run again later`),
    ...kept.map(
      ({ workflow, until }) => `kept  ${workflow}: ${until === null ? 'for ever' : `until ${until}`}`,
    ),
    `${whose}${plural(removed.length, 'workflow')} with ${plural(changes, 'change')} ${verb}, ${kept.length} kept, ` +
      `${open.length} not completed (${formatRule(rule)})`,
  ]
}

function formatRemoval({ workflow, changes, completed, agent, reason }: Removal): string {
  const why = reason === undefined ? '' : `: ${clip(reason, REASON_CHARS)}`
  return `${workflow}: ${plural(changes, 'change')}, completed ${completed} by ${agent}${why}`
}
