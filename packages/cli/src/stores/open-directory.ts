import { resolve } from 'node:path'
import { checkId, type Store, type TenantId } from '@weft/core'
import { openLevelStore } from '@weft/store-level'
import { usage } from '../base/failure.js'
import type { Settings } from '../settings/resolve-settings.js'
import type { Cli } from '../cli/cli.js'
import { type DataDirectory, openingWith } from '../cli/encryption.js'
import { checkInProcess } from './store-check-process.js'

/**
 * Opens a directory that no peer has open, to remove something from it. First a process of its own has to survive
 * reading its files: LevelDB aborts on some damage, and whoever is cut short there does not say what was done.
 * @throws WEFT_USAGE · WEFT_STORE_CORRUPT · WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_KEY · WEFT_STORE_FAILED
 */
export async function openDirectory(cli: Cli, data: DataDirectory): Promise<Store> {
  const { unusable } = await checkInProcess(data, 'files', text => cli.output.progress(text))
  if (unusable) throw unusable
  return openLevelStore(data.directory, await openingWith(data.keyFile))
}

/**
 * The directory that a command is to work on in place of a running peer. One that happens to be in the environment or in a
 * config file is that of a peer, and not what is asked for.
 * @throws WEFT_USAGE when a peer is named as well
 */
export function directoryMeant(cli: Cli, { data, url }: Settings): string | undefined {
  if (data?.origin !== 'flag') return undefined
  if (url?.origin === 'flag')
    throw usage('--data and --url name two places to work on', 'leave one of them out')
  return resolve(cli.cwd, data.value)
}

/** The tenant that is to be taken of a directory, or all: one in the environment is that of a token. @throws WEFT_ID_INVALID */
export function tenantMeant({ tenant }: Settings): TenantId | undefined {
  return tenant?.origin === 'flag' ? checkId('tenant', tenant.value) : undefined
}

/** A name that was mistyped would be told of as done. @throws WEFT_USAGE */
export async function checkThere(store: Store, tenant: TenantId, directory: string): Promise<void> {
  const there: string[] = []
  for await (const each of store.tenants()) there.push(each)
  if (there.includes(tenant)) return
  throw usage(
    `${directory} holds nothing of tenant ${tenant}`,
    `it holds ${there.length === 0 ? 'no tenant' : there.join(', ')}`,
  )
}
