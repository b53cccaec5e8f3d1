import { join } from 'node:path'
import type { LogRecord, Store, WeftError } from '@weft/core'
import { usage } from '../base/failure.js'
import { invalid } from '../base/lines.js'
import { appendLog, checkSealed, logOf, readLog } from '../logs/logs.js'
import { type BackedUp, type BackupManifest, readManifest } from '../formats/backup-format.js'
import { readExport } from '../formats/export-reader.js'
import { sha256Of } from './backup.js'

/** The contexts of a backup that are asked for. */
export interface Selection {
  readonly directory: string
  readonly manifest: BackupManifest
  readonly contexts: readonly BackedUp[]
}

/** @throws WEFT_FILE_INVALID · WEFT_USAGE when nothing in it is of that tenant */
export async function selectFrom(directory: string, tenant: string | undefined): Promise<Selection> {
  const manifest = await readManifest(directory)
  const contexts = manifest.contexts.filter(each => tenant === undefined || each.tenant === tenant)
  if (contexts.length > 0) return { directory, manifest, contexts }
  const tenants = [...new Set(manifest.contexts.map(each => each.tenant))]
  throw usage(
    `${directory} holds nothing of ${tenant ?? 'any tenant'}`,
    `it holds ${tenants.join(', ') || 'nothing'}`,
  )
}

/** The log of a context in a backup, when all of it is as it was sealed. @throws WEFT_FILE_INVALID · WEFT_STORE_CORRUPT */
export async function logIn(directory: string, backedUp: BackedUp): Promise<LogRecord[]> {
  const path = join(directory, backedUp.file)
  const copy = await readExport(path)
  if ((await sha256Of(path)) !== backedUp.sha256)
    throw invalid(path, 'it is not the file that the manifest names')
  if (copy.header.digest !== backedUp.digest) throw invalid(path, 'its digest is not that of the manifest')
  const records = logOf(copy)
  checkSealed(records, backedUp)
  return records
}

/** What a store still lacks of a backup: for each context how many of its changes are there. */
export type Missing = ReadonlyMap<BackedUp, number>

/**
 * Checks a selection before anything is written: every file, and that what the store holds of these tenants is what a
 * restore of this backup has left that was cut short, if anything.
 * @throws WEFT_FILE_INVALID · WEFT_STORE_CORRUPT · WEFT_USAGE
 */
export async function checkRestore(
  { directory, contexts }: Selection,
  store: Store | undefined,
  onProgress: (text: string) => void,
): Promise<Missing> {
  const missing = new Map<BackedUp, number>()
  for (const backedUp of contexts) {
    const records = await logIn(directory, backedUp)
    missing.set(backedUp, store === undefined ? 0 : await presentIn(store, backedUp, records))
    onProgress(`checked ${missing.size} of ${contexts.length}`)
  }
  if (store !== undefined) await checkNoOthers(store, contexts)
  return missing
}

/** @throws WEFT_STORE_FAILED · WEFT_STORE_CORRUPT when what was written does not read back as it was sealed */
export async function restore(
  { directory }: Selection,
  missing: Missing,
  store: Store,
  onProgress: (text: string) => void,
): Promise<void> {
  let done = 0
  for (const [backedUp, present] of missing) {
    const tenant = store.tenant(backedUp.tenant)
    await appendLog(tenant, backedUp.workflow, await logIn(directory, backedUp), present)
    checkSealed(await readBack(store, backedUp), backedUp)
    onProgress(`restored ${++done} of ${missing.size}`)
  }
}

async function presentIn(store: Store, backedUp: BackedUp, records: readonly LogRecord[]): Promise<number> {
  const present = await readBack(store, backedUp)
  const isBeginning = present.every(({ id }, index) => records[index]?.id === id)
  if (isBeginning) return present.length
  throw thereAlready(
    backedUp.tenant,
    `its ${backedUp.workflow} is not the beginning of the one in the backup`,
  )
}

async function checkNoOthers(store: Store, contexts: readonly BackedUp[]): Promise<void> {
  const known = new Set(contexts.map(({ tenant, workflow }) => `${tenant}\0${workflow}`))
  for (const tenant of new Set(contexts.map(each => each.tenant))) {
    for await (const { workflow } of store.tenant(tenant).heads()) {
      if (!known.has(`${tenant}\0${workflow}`))
        throw thereAlready(tenant, `it holds ${workflow}, which is not in the backup`)
    }
  }
}

function readBack(store: Store, { tenant, workflow }: BackedUp): Promise<LogRecord[]> {
  return readLog(store.tenant(tenant), workflow)
}

function thereAlready(tenant: string, reason: string): WeftError {
  return usage(
    `tenant ${tenant} is in the store already: ${reason}`,
    'restore into a new directory, or one without this tenant',
  )
}
