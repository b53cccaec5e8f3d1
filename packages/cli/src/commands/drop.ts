import { checkId, type LogHead, type TenantId } from '@weft/core'
import type { DroppedTenant as DroppedByPeer } from '@weft/peer'
import { listContexts } from '@weft/peer/parts'
import { isEncrypted } from '@weft/store-level'
import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { plural } from '../base/text.js'
import { withExamples, withJson, withPeer, withSettings } from '../settings/options.js'
import type { Settings } from '../settings/resolve-settings.js'
import { type Cli, required } from '../cli/cli.js'
import { keyFileOf } from '../cli/encryption.js'
import { ask } from '../peers/http-client.js'
import { checkThere, directoryMeant, openDirectory, tenantMeant } from '../stores/open-directory.js'

interface DroppedTenant extends DroppedByPeer {
  /** Of a directory: which, and whether there was a key of its own, without which older copies of its files cannot be read. */
  readonly directory?: string
  readonly keyDestroyed?: boolean
}

/** What is there of a tenant before it is dropped. */
interface Holding {
  readonly tenant: TenantId
  readonly contexts: readonly Pick<LogHead, 'count'>[]
  readonly damaged: readonly string[]
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('drop')
    .description(
      'Remove everything of one tenant, and say what it was. Asks a running peer, with a token of the tenant that has the ' +
        'scope admin for all workflows: who is connected is sent away, and all tokens issued by then stay revoked, so that ' +
        'no replica that still holds a context brings it back. With --data works on a directory that no peer has open, and ' +
        'revokes nothing. Where data are encrypted the key of the tenant is destroyed first: older copies of the files, and ' +
        'what deleted records leave in them, cannot be read then, unless the copy holds the key, too.',
    )
    .option('--yes', 'do it; without it nothing is removed')
    .action(async ({ yes = false }: { yes?: boolean }, self: Command) => {
      const settings = cli.settings(self)
      const directory = directoryMeant(cli, settings)
      const tenant = checkId('tenant', required(settings, 'tenant'))
      if (directory !== undefined && tenantMeant(settings) === undefined)
        throw usage('which tenant is to be dropped is not said', 'pass --tenant, as a flag')
      const dropped = await (directory === undefined
        ? dropFromPeer(cli, settings, tenant, yes)
        : dropFromDirectory(cli, settings, tenant, directory, yes))
      cli.output.result<DroppedTenant>(dropped, format)
    })
  withSettings(withPeer(command), 'tenant', 'data', 'encryptionKeyFile')
  withExamples(
    withJson(command),
    ['weft drop --tenant acme', 'what a running peer would remove; nothing is'],
    ['weft drop --tenant acme --yes', 'remove it for good'],
    ['weft drop --tenant acme --data ./data --yes', 'from a directory that no peer has open'],
  )
}

async function dropFromPeer(
  cli: Cli,
  settings: Settings,
  tenant: TenantId,
  yes: boolean,
): Promise<DroppedTenant> {
  const held = (await ask(cli, settings, 'GET', '/contexts')) as Holding
  if (held.tenant !== tenant)
    throw usage(
      `the token is of tenant ${held.tenant}, not of ${tenant}`,
      `use an admin's token of ${tenant}`,
    )
  if (!yes) throw unconfirmed(held)
  return (await ask(cli, settings, 'POST', `/drop?tenant=${tenant}`)) as DroppedByPeer
}

async function dropFromDirectory(
  cli: Cli,
  settings: Settings,
  tenant: TenantId,
  directory: string,
  yes: boolean,
): Promise<DroppedTenant> {
  const store = await openDirectory(cli, { directory, keyFile: keyFileOf(cli, settings) })
  try {
    const isCutShort = store.unfinishedDrops.includes(tenant)
    if (!isCutShort) await checkThere(store, tenant, directory)
    if (!yes) {
      throw unconfirmed(
        isCutShort ? { tenant, contexts: [], damaged: [] } : await listContexts(store.tenant(tenant)),
      )
    }
    const dropped = await store.tenant(tenant).drop()
    return { tenant, directory, ...dropped, keyDestroyed: isEncrypted(directory) }
  } finally {
    await store.close()
  }
}

function unconfirmed({ tenant, contexts, damaged }: Holding) {
  const changes = contexts.reduce((sum, { count }) => sum + count, 0)
  const also = damaged.length === 0 ? '' : `, and ${plural(damaged.length, 'context')} that cannot be read`
  return usage(
    `this removes ${plural(contexts.length, 'context')} with ${plural(changes, 'change')} of tenant ${tenant}${also} for good`,
    'pass --yes to do it; `weft backup` keeps a copy',
  )
}

function format({ tenant, directory, workflows, changes, keyDestroyed = false }: DroppedTenant): string[] {
  const from = directory === undefined ? '' : ` from ${directory}`
  const key = keyDestroyed ? ', and its key is destroyed' : ''
  const tokens = directory === undefined ? '; its tokens are revoked' : ''
  return [
    `removed tenant ${tenant}${from}: ${plural(workflows, 'context')} with ${plural(changes, 'change')}${key}${tokens}`,
  ]
}
