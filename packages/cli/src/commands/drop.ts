import { resolve } from 'node:path'
import { checkId, type Store } from '@weft/core'
import { listContexts } from '@weft/peer'
import { isEncrypted, openLevelStore } from '@weft/store-level'
import type { Command } from 'commander'
import { type Cli, required } from '../cli.js'
import { keyFileOf, openingWith } from '../encryption.js'
import { usage } from '../failure.js'
import { withExamples, withJson, withSettings } from '../options.js'
import { checkHoldsStore } from '../store-check-process.js'
import { plural } from '../text.js'

interface DroppedTenant {
  readonly tenant: string
  readonly directory: string
  readonly workflows: number
  readonly changes: number
  /** Whether there was a key of its own, without which older copies of its files cannot be read. */
  readonly keyDestroyed: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('drop')
    .description(
      'Remove everything of one tenant from a data directory that no peer has open, and say what it was. Of an encrypted ' +
        'directory the key of the tenant is destroyed first: older copies of the files, and what deleted records leave in ' +
        'them, cannot be read then, unless the copy holds the key, too. Replicas that still hold a context bring it back ' +
        'when they connect: revoke their tokens before.',
    )
    .option('--yes', 'do it; without it nothing is removed')
    .action(async ({ yes = false }: { yes?: boolean }, self: Command) => {
      const settings = cli.settings(self)
      const tenant = checkId('tenant', required(settings, 'tenant'))
      const directory = resolve(cli.cwd, required(settings, 'data'))
      await checkHoldsStore(directory)
      const store = await openLevelStore(directory, await openingWith(keyFileOf(cli, settings)))
      try {
        await checkThere(store, tenant, directory)
        if (!yes) throw await unconfirmed(store, tenant)
        const dropped = await store.tenant(tenant).drop()
        const keyDestroyed = isEncrypted(directory)
        cli.output.result<DroppedTenant>({ tenant, directory, ...dropped, keyDestroyed }, format)
      } finally {
        await store.close()
      }
    })
  withSettings(command, 'tenant', 'data', 'encryptionKeyFile')
  withExamples(
    withJson(command),
    ['weft drop --tenant acme --data ./data', 'what would be removed; nothing is'],
    ['weft drop --tenant acme --data ./data --yes', 'remove it for good'],
  )
}

/** A name that was mistyped would be told of as removed. @throws WEFT_USAGE */
async function checkThere(store: Store, tenant: string, directory: string): Promise<void> {
  const there: string[] = []
  for await (const each of store.tenants()) there.push(each)
  if (there.includes(tenant)) return
  throw usage(
    `${directory} holds nothing of tenant ${tenant}`,
    `it holds ${there.length === 0 ? 'no tenant' : there.join(', ')}`,
  )
}

async function unconfirmed(store: Store, tenant: string) {
  const { contexts, damaged } = await listContexts(store.tenant(tenant))
  const changes = contexts.reduce((sum, { count }) => sum + count, 0)
  const also = damaged.length === 0 ? '' : `, and ${plural(damaged.length, 'context')} that cannot be read`
  return usage(
    `this removes ${plural(contexts.length, 'context')} with ${plural(changes, 'change')} of tenant ${tenant}${also} for good`,
    'pass --yes to do it; `weft backup` keeps a copy',
  )
}

function format({ tenant, directory, workflows, changes, keyDestroyed }: DroppedTenant): string[] {
  const key = keyDestroyed ? ', and its key is destroyed' : ''
  return [
    `removed tenant ${tenant} from ${directory}: ${plural(workflows, 'context')} with ${plural(changes, 'change')}${key}`,
  ]
}
