import { resolve } from 'node:path'
import { addMasterKey, rewrapKeys } from '@weft/store-level'
import type { Command } from 'commander'
import { EXIT } from '../base/failure.js'
import { plural } from '../base/text.js'
import { verbGroup, withExamples, withJson, withSettings } from '../settings/options.js'
import { type Cli, required } from '../cli/cli.js'
import { openingWith } from '../cli/encryption.js'
import { checkHoldsStore } from '../stores/store-check-process.js'

export function register(program: Command, cli: Cli): void {
  const group = verbGroup(
    program,
    'key',
    'Make the key file of an encrypted data directory, and bring a new master key into force.',
  )
  registerNew(group, cli)
  registerRewrap(group, cli)
}

function registerNew(group: Command, cli: Cli): void {
  const command = group
    .command('new')
    .description(
      'Make a key file that nobody else may read, with one new master key. Keep a copy of it apart from the data: without ' +
        'it nobody can read what was encrypted. With --add: put a new key before those of a file that is there; it ' +
        'encrypts from then on, and the older ones still decrypt.',
    )
    .requiredOption('--to <file>', 'the key file')
    .option('--add', 'put a new key before those that the file holds')
    .action(async ({ to, add = false }: { to: string; add?: boolean }) => {
      const file = resolve(cli.cwd, to)
      const name = await addMasterKey(file, add ? 'present file' : 'new file')
      cli.output.result({ file, name }, () => [`${name} in ${file}`])
    })
  withExamples(
    withJson(command),
    ['weft key new --to weft.keys', 'for `weft serve --encryption-key-file weft.keys`'],
    ['weft key new --to weft.keys --add', 'a newer master key; then `weft key rewrap`'],
  )
}

function registerRewrap(group: Command, cli: Cli): void {
  const command = group
    .command('rewrap')
    .description(
      'Wrap the key of every tenant in a data directory that no peer has open under the first master key of the key file, ' +
        'so that older ones can be taken out of it. What is encrypted stays as it is. Exits with 1 when the file of a key ' +
        'is damaged.',
    )
    .action(async (_: unknown, self: Command) => {
      const settings = cli.settings(self)
      const directory = resolve(cli.cwd, required(settings, 'data'))
      await checkHoldsStore(directory)
      const { encryption } = await openingWith(resolve(cli.cwd, required(settings, 'encryptionKeyFile')))
      const { rewrapped, damaged } = await rewrapKeys(directory, encryption!)
      if (damaged.length > 0) cli.exitCode = EXIT.failed
      cli.output.result({ directory, rewrapped, damaged }, () => [
        ...damaged.map(file => `DAMAGED  ${file}`),
        `${plural(rewrapped, 'key')} wrapped under the newest master key`,
      ])
    })
  withSettings(command, 'data', 'encryptionKeyFile')
  withExamples(withJson(command), [
    'weft key rewrap --data ./data --encryption-key-file weft.keys',
    'after `weft key new --add`',
  ])
}
