import {
  isWeftError,
  type KeptRecord,
  type LogHead,
  type TenantId,
  toKept,
  type WorkflowId,
} from '@weft/core'
import { type Database, levelDatabase } from '../base/database.js'
import { readFailed } from '../base/failures.js'
import { DROPPING_KEYS, type KeyRange, SEAL_KEY, TenantKeys } from '../base/keys.js'
import { decodeRecord } from '../records/record-codec.js'
import { ciphersOfRest } from '../encryption/encryption.js'
import type { KeyService } from '../encryption/key-service.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { ValueCipher } from '../encryption/value-cipher.js'
import { readSealFile } from '../seals/seal-file.js'
import {
  decodeStoreSeal,
  type HeadChange,
  sameContexts,
  sealAfter,
  type StoreSeal,
} from '../seals/store-seal.js'
import { cipherOf, openHead } from './checked.js'
import { readMark } from './drop.js'
import { skipTo, tenantsIn } from './tenant-walk.js'

/** What can still be made out of a context. */
export interface SalvagedContext {
  readonly tenant: TenantId
  readonly workflow: WorkflowId
  /** Undefined when it is damaged or gone. */
  readonly head: LogHead | undefined
  /** Those that are sound, each at the position that it was written to; ascending. */
  readonly records: readonly KeptRecord[]
}

/** A context that is about to be read, which LevelDB may not survive; then what came of it. */
export type Salvaged = { readonly begin: string } | { readonly context: SalvagedContext }

export function contextKey({ tenant, workflow }: Pick<SalvagedContext, 'tenant' | 'workflow'>): string {
  return `${tenant}/${workflow}`
}

/**
 * Reads what is sound in a borrowed store, whatever is wrong with the rest. Nothing is checked that goes beyond a record.
 * A tenant whose drop has begun is not brought back.
 * @param passOver keys of contexts to leave alone
 * @param encryption of a store that is encrypted
 * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED when LevelDB cannot read it at all · WEFT_STORE_KEY
 */
export async function* salvage(
  directory: string,
  passOver: ReadonlySet<string>,
  encryption: KeyService | undefined,
): AsyncGenerator<Salvaged> {
  const db = levelDatabase(directory)
  const ciphers = ciphersOfRest(directory, encryption, db)
  try {
    await db.open()
    const dropped = await droppedIn(db)
    for await (const tenant of tenantsOf(db)) {
      if (dropped.has(tenant)) continue
      const keys = new TenantKeys(tenant)
      for (const workflow of await workflowsOf(db, keys)) {
        const begin = contextKey({ tenant: keys.tenant, workflow })
        if (passOver.has(begin)) continue
        yield { begin }
        yield { context: await salvageOne(db, keys, ciphers, workflow) }
      }
    }
  } catch (thrown) {
    throw readFailed(directory, thrown)
  } finally {
    await db.close()
    ciphers.close()
  }
}

/** What a store says it should hold, by its file or by LevelDB, whichever is newer; but for tenants whose drop has begun. */
export async function sealOf(directory: string): Promise<StoreSeal | undefined> {
  const file = (await readSealFile(directory).catch(() => undefined)) ?? undefined
  const { stored, leaving } = await storedSeal(directory).catch(() => NOTHING_STORED)
  const seal = file && stored ? (stored.commits > file.commits ? stored : file) : (file ?? stored)
  return seal && { ...sealAfter(seal, leaving), commits: seal.commits }
}

/** Whether a store that is closed holds exactly what a seal says. */
export async function isSealedBy(directory: string, seal: StoreSeal): Promise<boolean> {
  const actual = await sealOf(directory)
  return actual !== undefined && sameContexts(actual, seal)
}

interface Stored {
  readonly stored: StoreSeal | undefined
  /** Heads that a drop has still to remove. */
  readonly leaving: readonly HeadChange[]
}

const NOTHING_STORED: Stored = { stored: undefined, leaving: [] }

async function storedSeal(directory: string): Promise<Stored> {
  const db = levelDatabase(directory)
  await db.open()
  try {
    const value = await db.get(SEAL_KEY)
    const leaving: HeadChange[] = []
    for (const tenant of await droppedIn(db)) {
      for await (const [, before] of readableRows(db, new TenantKeys(tenant).heads))
        leaving.push({ before, after: undefined })
    }
    return { stored: value && decodeStoreSeal(SEAL_KEY, value), leaving }
  } finally {
    await db.close()
  }
}

/** A damaged marker names nobody for sure. */
async function droppedIn(db: Database): Promise<Set<TenantId>> {
  const dropped = new Set<TenantId>()
  for await (const [key, value] of readableRows(db, DROPPING_KEYS)) {
    const mark = readMark(key, value)
    if (mark) dropped.add(mark.tenant)
  }
  return dropped
}

/** Those that a key can be read of; what cannot be read LevelDB passes over, and tells of when there is nothing more. */
async function* tenantsOf(db: Database): AsyncGenerator<TenantId> {
  const found = tenantsIn(db)
  for (;;) {
    const next = await found.next().catch(unread)
    if (next === undefined || next.done) return
    if ('tenant' in next.value) yield next.value.tenant
  }
}

async function workflowsOf(db: Database, keys: TenantKeys): Promise<Set<WorkflowId>> {
  const workflows = new Set<WorkflowId>()
  for await (const [key] of readableRows(db, keys.heads)) workflows.add(keys.workflowOfHead(key))
  const logs = db.keys(keys.logs)
  try {
    for (let key = await logs.next().catch(unread); key !== undefined; ) {
      const workflow = keys.workflowOfRecord(key)
      workflows.add(workflow)
      key = await skipTo(logs, keys.log(workflow).lt).catch(unread)
    }
  } finally {
    await logs.close()
  }
  return workflows
}

/** One by one: a page that ends in an error is lost with it. */
async function* readableRows(db: Database, range: KeyRange): AsyncGenerator<[string, Uint8Array]> {
  const rows = db.iterator(range)
  try {
    for (;;) {
      const page = await rows.nextv(1).catch(() => [])
      if (page[0] === undefined) return
      yield page[0]
    }
  } finally {
    await rows.close()
  }
}

function unread(): undefined {
  return undefined
}

async function salvageOne(
  db: Database,
  keys: TenantKeys,
  ciphers: TenantCiphers,
  workflow: WorkflowId,
): Promise<SalvagedContext> {
  const cipher = await cipherOf(ciphers, keys, workflow).catch(unlessLost)
  // Without its key nothing of a tenant can be made out.
  if (cipher === undefined) return { tenant: keys.tenant, workflow, head: undefined, records: [] }
  const head = await soundHead(db, keys, cipher, workflow)
  const records = new Map<number, KeptRecord>()
  const take = (key: string, value: Uint8Array): void => {
    const record = soundRecord(keys, cipher, key, value)
    if (record) records.set(record.position, record)
  }
  for await (const [key, value] of readableRows(db, keys.log(workflow))) take(key, value)
  // What an iterator has passed over may still be found by its key.
  for (let position = 1; position <= (head?.count ?? 0); position++) {
    const key = keys.record(workflow, position)
    const value = records.has(position) ? undefined : await db.get(key).catch(() => undefined)
    if (value) take(key, value)
  }
  const sorted = [...records.values()].sort((a, b) => a.position - b.position)
  return { tenant: keys.tenant, workflow, head, records: sorted }
}

/** A key that cannot be had now is no loss. */
function unlessLost(thrown: unknown): undefined {
  if (isWeftError(thrown) && thrown.code === 'WEFT_STORE_CORRUPT') return undefined
  throw thrown
}

async function soundHead(
  db: Database,
  keys: TenantKeys,
  cipher: ValueCipher,
  workflow: WorkflowId,
): Promise<LogHead | undefined> {
  try {
    const value = await db.get(keys.head(workflow))
    return value && openHead(keys, cipher, workflow, value)
  } catch {
    return undefined
  }
}

function soundRecord(
  keys: TenantKeys,
  cipher: ValueCipher,
  key: string,
  value: Uint8Array,
): KeptRecord | undefined {
  try {
    return toKept(decodeRecord(keys.positionOf(key), key, cipher.open(key, value)))
  } catch {
    return undefined
  }
}
