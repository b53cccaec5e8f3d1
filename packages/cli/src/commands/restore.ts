import { resolve } from 'node:path'
import { holdsStore, openLevelStore } from '@weft/store-level'
import type { Command } from 'commander'
import { plural } from '../base/text.js'
import { withExamples, withJson, withSettings } from '../settings/options.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf, openingWith } from '../cli/encryption.js'
import { tenantMeant } from '../stores/open-directory.js'
import { checkRestore, restore, selectFrom } from '../stores/restore.js'

interface RestoreFlags {
  readonly from: string
  readonly dryRun?: boolean
}

interface Restored {
  readonly contexts: readonly {
    readonly tenant: string
    readonly workflow: string
    readonly count: number
    readonly digest: string
  }[]
  /** Left out of the backup, because they were damaged then. */
  readonly leftOut: readonly { readonly tenant: string; readonly workflow: string }[]
  readonly changes: number
  readonly dryRun: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('restore')
    .description(
      'Write a backup into a directory that no peer has open and that holds nothing of its tenants. The whole backup is ' +
        'checked before anything is written, and all that was written is read back. One that was cut short goes on when ' +
        'it is run again.',
    )
    .requiredOption('--from <dir>', 'the directory that `weft backup` made')
    .option('--dry-run', 'check the backup, and write nothing')
    .action(async ({ from, dryRun = false }: RestoreFlags, self: Command) => {
      const settings = cli.settings(self)
      const tenant = tenantMeant(settings)
      const selection = await selectFrom(resolve(cli.cwd, from), tenant)
      const progress = (text: string): void => cli.output.progress(text)
      if (dryRun) {
        await checkRestore(selection, undefined, progress)
      } else {
        const data = resolve(cli.cwd, required(settings, 'data'))
        const opening = await openingWith(keyFileOf(cli, settings))
        // Of a new directory nothing should stay when the backup turns out to be no good.
        if (!(await holdsStore(data))) await checkRestore(selection, undefined, progress)
        const store = await openLevelStore(data, opening)
        try {
          await restore(selection, await checkRestore(selection, store, progress), store, progress)
        } finally {
          await store.close()
        }
      }
      const contexts = selection.contexts.map(each => ({
        ...{ tenant: each.tenant, workflow: each.workflow },
        ...{ count: each.count, digest: each.digest },
      }))
      const changes = contexts.reduce((sum, { count }) => sum + count, 0)
      const leftOut = selection.manifest.leftOut.filter(
        each => tenant === undefined || each.tenant === tenant,
      )
      cli.output.result<Restored>({ contexts, leftOut, changes, dryRun }, format)
    })
  withSettings(command, 'data', 'encryptionKeyFile', 'tenant')
  withExamples(
    withJson(command),
    ['weft restore --from ./backup-1 --data ./data-2', 'all that is in it, into a new directory'],
    ['weft restore --from ./backup-1 --data ./data --tenant acme', 'one tenant, beside others'],
    ['weft restore --from ./backup-1 --dry-run', 'whether it could be restored'],
  )
}

function format({ contexts, changes, dryRun, leftOut }: Restored): string[] {
  const verb = dryRun ? 'sound, and nothing was written' : 'restored and read back'
  return [
    ...leftOut.map(({ tenant, workflow }) => `MISSING  ${tenant} ${workflow}: it was left out of the backup`),
    `${plural(contexts.length, 'context')} with ${plural(changes, 'change')}: ${verb}`,
  ]
}
