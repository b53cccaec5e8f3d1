import { resolve } from 'node:path'
import type { Command } from 'commander'
import { EXIT } from '../base/failure.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import type { BackupManifest } from '../formats/backup-format.js'
import { checkApart, noteLeft } from '../cli/aside.js'
import type { Cli } from '../cli/cli.js'
import { keyFileOf } from '../cli/encryption.js'
import { fromDirectory, fromPeer } from '../stores/backup-source.js'
import { writeBackup } from '../stores/backup.js'
import { directoryMeant, tenantMeant } from '../stores/open-directory.js'
import { checkHoldsStore } from '../stores/store-check-process.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('backup')
    .description(
      'Write all contexts of your tenant, as a running peer has them at one moment, into a new directory: an export for ' +
        'each, and a manifest that seals them. Every change is verified as it is written. Needs a token with the scopes ' +
        'read and admin for all workflows. With --data: of a directory that no peer has open, all tenants or one. Exits ' +
        'with 1 when a context had to be left out.',
    )
    .requiredOption('--to <dir>', 'directory to make; it has its name when it is finished')
    .action(async ({ to }: { to: string }, self: Command) => {
      const settings = cli.settings(self)
      const directory = resolve(cli.cwd, to)
      await noteLeft(cli, directory)
      const time = new Date().toISOString()
      let manifest: BackupManifest | undefined
      const write = async (contexts: Parameters<typeof writeBackup>[2]): Promise<void> => {
        manifest = await writeBackup(directory, time, contexts, text => cli.output.progress(text))
      }
      const data = directoryMeant(cli, settings)
      if (data !== undefined) {
        await checkHoldsStore(data)
        await checkApart(directory, data)
        const keyFile = keyFileOf(cli, settings)
        await fromDirectory({ directory: data, keyFile }, tenantMeant(settings), write)
      } else {
        await fromPeer(cli, settings, write)
      }
      if (manifest!.leftOut.length > 0) cli.exitCode = EXIT.failed
      cli.output.result({ directory, ...summaryOf(manifest!) }, format)
    })
  withSettings(withPeer(command), 'tenant', 'data', 'encryptionKeyFile')
  withExamples(
    withJson(command),
    ['weft backup --to ./backup-1', 'of a running peer (--url, --token)'],
    ['weft backup --data ./data --to ./backup-1', 'of all tenants in a directory that no peer has open'],
  )
}

function summaryOf({ time, contexts, leftOut }: BackupManifest) {
  const changes = contexts.reduce((sum, { count }) => sum + count, 0)
  return { time, contexts: contexts.length, changes, leftOut }
}

function format(made: ReturnType<typeof summaryOf> & { readonly directory: string }): string[] {
  return [
    ...made.leftOut.map(({ tenant, workflow, reason }) => `LEFT OUT  ${tenant} ${workflow}: ${reason}`),
    `${plural(made.contexts, 'context')} with ${plural(made.changes, 'change')} in ${made.directory}`,
  ]
}
