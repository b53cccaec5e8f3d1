import { ANY_CONTEXT, isWeftError, type LogHead, type LogRecord, reasonOf, type Store } from '@weft/core'
import { type ContextList, listContexts } from '@weft/peer/parts'
import { borrowStore, checkKeys, openLevelStore } from '@weft/store-level'
import type { Settings } from '../settings/resolve-settings.js'
import { checkSealed, logOf, readLog } from '../logs/logs.js'
import type { LeftOut } from '../formats/backup-format.js'
import type { Cli } from '../cli/cli.js'
import { type DataDirectory, openingWith } from '../cli/encryption.js'
import { ask } from '../peers/http-client.js'
import { type OpenReplica, withReplica } from '../peers/peer-client.js'
import { copyOf } from '../peers/source.js'
import { checkThere } from './open-directory.js'

/** A context to back up, held against what its store had sealed; or why it cannot be. */
export type Sourced =
  | { readonly tenant: string; readonly head: LogHead; readonly records: readonly LogRecord[] }
  | { readonly leftOut: LeftOut }

/**
 * The contexts of the tenant of a token, as a running peer has them at one moment: it lists its heads, and a log never
 * changes before its end. Each is read as any replica reads it.
 * @throws as `ask` and `withReplica`
 */
export async function fromPeer(
  cli: Cli,
  settings: Settings,
  use: (contexts: AsyncIterable<Sourced>) => Promise<void>,
): Promise<void> {
  const { tenant, contexts, damaged } = (await ask(cli, settings, 'GET', '/contexts')) as ToldList
  await withReplica(cli, settings, async open => {
    async function* read(): AsyncGenerator<Sourced> {
      for (const { running_hash, ...head } of contexts) {
        yield sourced(tenant, { ...head, runningHash: running_hash }, sealed => logFrom(open, sealed))
      }
      for (const workflow of damaged)
        yield { leftOut: { tenant, workflow, reason: 'it is damaged at the peer' } }
    }
    await use(read())
  })
}

type ToldList = Omit<ContextList, 'contexts'> & {
  readonly contexts: readonly (Omit<LogHead, 'runningHash'> & { readonly running_hash: string })[]
}

/** The contexts of all tenants, or of one, in a directory that no peer has open. @throws WEFT_STORE_* */
export async function fromDirectory(
  { directory, keyFile }: DataDirectory,
  only: string | undefined,
  use: (contexts: AsyncIterable<Sourced>) => Promise<void>,
): Promise<void> {
  const opening = await openingWith(keyFile)
  await checkKeys(directory, opening.encryption)
  const borrowed = await borrowStore(directory)
  try {
    const store = await openLevelStore(borrowed.directory, opening)
    const read = async () => {
      if (only !== undefined) await checkThere(store, only, directory)
      await use(contextsIn(store, only))
    }
    await read().finally(() => store.close())
  } finally {
    await borrowed.release()
  }
}

async function* contextsIn(store: Store, only: string | undefined): AsyncGenerator<Sourced> {
  for await (const id of store.tenants()) {
    if (only !== undefined && id !== only) continue
    const tenant = store.tenant(id)
    const { contexts, damaged } = await listContexts(tenant)
    for (const head of contexts) {
      yield sourced(id, head, ({ workflow }) => readLog(tenant, workflow))
    }
    for (const workflow of damaged) yield { leftOut: { tenant: id, workflow, reason: 'it is damaged' } }
  }
}

/** Damage to one context is no reason to leave out the others. */
async function sourced(
  tenant: string,
  head: LogHead,
  read: (head: LogHead) => Promise<readonly LogRecord[]>,
): Promise<Sourced> {
  try {
    const records = await read(head)
    checkSealed(records, head)
    return { tenant, head, records }
  } catch (error) {
    if (!isWeftError(error) || error.code !== 'WEFT_STORE_CORRUPT') throw error
    return { leftOut: { tenant, workflow: head.workflow, reason: reasonOf(error) } }
  }
}

async function logFrom(
  { replica, ...wait }: OpenReplica,
  { workflow, count }: LogHead,
): Promise<LogRecord[]> {
  const context = await replica.open(ANY_CONTEXT, { workflow, agent: 'weft-cli', ...wait })
  try {
    return logOf(copyOf(context), count)
  } finally {
    await context.close()
  }
}
