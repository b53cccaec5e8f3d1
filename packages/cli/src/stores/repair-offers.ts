import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type LogRecord, reasonOf } from '@weft/core'
import type { ContextList } from '@weft/peer'
import { ANY_CONTEXT } from '@weft/core'
import { contextKey } from '@weft/store-level'
import type { Settings } from '../settings/resolve-settings.js'
import type { ContextCopy } from '../logs/context-copy.js'
import { logOf } from '../logs/logs.js'
import { readManifest } from '../formats/backup-format.js'
import { readExport } from '../formats/export-reader.js'
import { type Cli, required } from '../cli/cli.js'
import { ask } from '../peers/http-client.js'
import { type OpenReplica, withReplica } from '../peers/peer-client.js'
import { copyOf } from '../peers/source.js'
import type { Offer } from './repair-plan.js'
import { logIn } from './restore.js'

/** Somebody that may hold what a store has lost. */
export interface OfferSource {
  /** Keys of the contexts that it is known to hold. */
  readonly contexts: readonly string[]
  /** Undefined when it does not hold the context. */
  find(key: string): Promise<Offer | undefined>
}

/**
 * Opens what `--from` names, for as long as `use` takes: exports, backups, running peers (ws://…, with the token).
 * @param onTrouble told of a source that cannot say what it holds of a context
 * @throws WEFT_FILE_INVALID · WEFT_USAGE, and as `withReplica`
 */
export async function withOffers<T>(
  cli: Cli,
  settings: Settings,
  names: readonly string[],
  onTrouble: (text: string) => void,
  use: (sources: readonly OfferSource[]) => Promise<T>,
): Promise<T> {
  const [name, ...rest] = names
  if (name === undefined) return use([])
  const withRest = (source: OfferSource): Promise<T> =>
    withOffers(cli, settings, rest, onTrouble, others => use([guarded(source, onTrouble), ...others]))
  if (/^wss?:/.test(name)) return withPeerOffers(cli, settings, name, withRest)
  const path = resolve(cli.cwd, name)
  const isBackup = (await stat(path).catch(() => undefined))?.isDirectory() ?? false
  return withRest(await (isBackup ? backupOffers(path) : exportOffers(path, required(settings, 'tenant'))))
}

async function backupOffers(path: string): Promise<OfferSource> {
  const { contexts } = await readManifest(path)
  const byKey = new Map(contexts.map(each => [contextKey(each), each]))
  return {
    contexts: [...byKey.keys()],
    find: async key => {
      const backedUp = byKey.get(key)
      return backedUp && { name: path, records: await logIn(path, backedUp) }
    },
  }
}

async function exportOffers(path: string, tenant: string): Promise<OfferSource> {
  const copy = await readExport(path)
  const own = contextKey({ tenant, workflow: copy.workflow })
  return {
    contexts: [own],
    find: async key => (key === own ? { name: path, records: placedIn(copy) } : undefined),
  }
}

/** What somebody exported who had not been told the position of every change. */
function placedIn({ set, index }: ContextCopy): LogRecord[] {
  const records: LogRecord[] = []
  for (let position = 1; position <= index.highest; position++) {
    const id = index.idAt(position)
    if (id !== undefined) records.push({ position, id, bytes: set.change(set.dag.node(id)).bytes })
  }
  return records
}

function withPeerOffers<T>(
  cli: Cli,
  settings: Settings,
  url: string,
  use: (source: OfferSource) => Promise<T>,
): Promise<T> {
  const there: Settings = { ...settings, url: { value: url, origin: 'flag', from: '--from' } }
  return withReplica(cli, there, async open => {
    // Who may not list them all may still be asked for each.
    const listed = (await ask(cli, there, 'GET', '/contexts').catch(() => undefined)) as
      | ContextList
      | undefined
    const { tenant } = open.replica
    return use({
      contexts: (listed?.contexts ?? []).map(({ workflow }) =>
        contextKey({ tenant: listed!.tenant, workflow }),
      ),
      find: async key => {
        const [of, workflow] = key.split('/') as [string, string]
        if (of !== tenant) return undefined
        const records = await logFrom(open, workflow)
        return records.length === 0 ? undefined : { name: url, records }
      },
    })
  })
}

async function logFrom({ replica, signal, timeout_ms }: OpenReplica, workflow: string): Promise<LogRecord[]> {
  const context = await replica.open(ANY_CONTEXT, { workflow, agent: 'weft-cli', signal, timeout_ms })
  try {
    return logOf(copyOf(context))
  } finally {
    await context.close()
  }
}

/** One that cannot say what it holds of a context may yet help with others. */
function guarded(source: OfferSource, onTrouble: (text: string) => void): OfferSource {
  return {
    contexts: source.contexts,
    find: async key => {
      try {
        return await source.find(key)
      } catch (error) {
        onTrouble(`${key}: ${reasonOf(error)}`)
        return undefined
      }
    },
  }
}
