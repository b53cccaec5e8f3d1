import type { TenantId } from '@weft/core'
import type { Database } from '../base/database.js'
import { corruptStore } from '../base/failures.js'
import { DROPPING_KEYS, droppingTenantOf, TenantKeys } from '../base/keys.js'
import type { StoredHead } from '../records/head-codec.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { ValueCipher } from '../encryption/value-cipher.js'
import type { Write } from '../writes/batching.js'
import type { GroupWriter } from '../writes/group-writer.js'

const KEYS_PER_BATCH = 4_096

export interface Dropped {
  workflows: number
  changes: number
}

/** A drop that has begun. */
export interface DropMark {
  readonly tenant: TenantId
  /** Something is to be there instead: who opens the store cannot know what, and waits for who does. */
  readonly leaves: boolean
}

/** What is to be there instead of what is dropped: the write of it, made under a key of its own. */
export type Leaving = (cipher: ValueCipher) => Write

/**
 * Removes every key of a tenant (TEN-4), in batches: a log may be larger than memory. The marker that is written first
 * and removed last makes it all or nothing: what a crash leaves over is removed at the next opening. Of a store that is
 * encrypted the key goes first: from then on nobody can read what is still there, or lies in older files. What is to be
 * left is written with the removal of the marker.
 */
export async function dropTenant(
  db: Database,
  writer: GroupWriter,
  keys: TenantKeys,
  ciphers: TenantCiphers,
  leaving?: Leaving,
): Promise<Dropped> {
  const { tenant } = keys
  const mark = markOf(keys, leaving !== undefined)
  // Behind it in the queue, every append that came before the drop is on disk.
  await writer.write(ciphers.behind(tenant, () => mark))
  const dropped = await removeAll(db, writer, keys, ciphers)
  const end = endOf(keys)
  const ended = ({ operations, ...write }: Write): Write => ({
    ...write,
    // The marker goes last: a disk that tears a write is left with it, or has what was to be left.
    ...{ operations: [...operations, ...end.operations], isEndOfDrop: true },
  })
  await writer.write(leaving === undefined ? end : ciphers.with(tenant, cipher => ended(leaving(cipher))))
  return dropped
}

async function removeAll(
  db: Database,
  writer: GroupWriter,
  keys: TenantKeys,
  ciphers: TenantCiphers,
): Promise<Dropped> {
  await ciphers.destroy(keys.tenant)
  const dropped: Dropped = { workflows: 0, changes: 0 }
  const iterator = db.keys(keys.all)
  try {
    for (;;) {
      const page = await iterator.nextv(KEYS_PER_BATCH)
      if (page.length === 0) break
      for (const key of page) dropped[keys.isHead(key) ? 'workflows' : 'changes']++
      await writer.write(deletionOf(db, keys, page))
    }
  } finally {
    await iterator.close()
  }
  return dropped
}

/**
 * Removes what drops that were cut short have left over, and ends those that are to leave nothing.
 * @returns the tenants of the others
 * @throws WEFT_STORE_CORRUPT · WEFT_STORE_FAILED
 */
export async function finishDrops(
  db: Database,
  writer: GroupWriter,
  directory: string,
  ciphers: TenantCiphers,
): Promise<TenantId[]> {
  const unfinished: TenantId[] = []
  for (const [key, value] of await db.iterator(DROPPING_KEYS).all()) {
    const mark = readMark(key, value)
    if (mark === undefined) {
      throw corruptStore(directory, 'it says that a tenant is to be removed, but not clearly which', { key })
    }
    const keys = new TenantKeys(mark.tenant)
    await removeAll(db, writer, keys, ciphers)
    if (mark.leaves) unfinished.push(mark.tenant)
    else await writer.write(endOf(keys))
  }
  return unfinished
}

/** What a marker says. It names its tenant twice: a damaged one, of which nothing is told, must not remove somebody else. */
export function readMark(key: string, value: Uint8Array): DropMark | undefined {
  const tenant = droppingTenantOf(key)
  const text = Buffer.from(value).toString()
  return text === tenant || text === tenant + LEAVES ? { tenant, leaves: text !== tenant } : undefined
}

const LEAVES = ' leaves'

function markOf({ tenant, dropping: key }: TenantKeys, leaves: boolean): Write {
  return { tenant, operations: [{ key, value: Buffer.from(leaves ? tenant + LEAVES : tenant) }] }
}

function endOf({ tenant, dropping, usage }: TenantKeys): Write {
  const gone = [dropping, usage].map(key => ({ key, value: null }))
  return { tenant, operations: gone, isEndOfDrop: true }
}

/** Removes keys of a tenant, whether what they hold is sound or not. */
export function deletionOf(db: Database, keys: TenantKeys, doomed: readonly string[]): Write {
  const find = async (key: string): Promise<StoredHead | undefined> => {
    const value = await db.get(key)
    return value && { value, head: undefined }
  }
  return {
    tenant: keys.tenant,
    operations: doomed.filter(key => !keys.isHead(key)).map(key => ({ key, value: null })),
    removes: doomed.filter(key => keys.isHead(key)).map(key => ({ key, find: () => find(key) })),
  }
}
