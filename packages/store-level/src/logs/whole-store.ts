import { isWeftError, reasonOf } from '@weft/core'
import type { Database } from '../base/database.js'
import { lostStore } from '../base/failures.js'
import { isHead, SEAL_KEY, TENANT_KEYS, TenantKeys, tenantOf } from '../base/keys.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import {
  decodeStoreSeal,
  type HeadChange,
  NEW_STORE,
  type StoreSeal,
  sameContexts,
  sealAfter,
} from '../seals/store-seal.js'
import { HeadWalk } from './head-walk.js'
import { tenantsIn } from './tenant-walk.js'

/** What a store that has lost something is to do: refuse to open, or say so in its seal from now on. */
export type OnLoss = 'refuse' | 'accept'

/** Rows that are read at once: where a tenant begins, and while its heads go on. */
const FEW = 2
const MANY = 64

/**
 * Compares what is there with what was sealed: in the last batch that LevelDB has, and in the file beside it, which the
 * store may be ahead of and never behind. Contexts that are known to be damaged explain a difference and are told of
 * when they are read; what nothing explains is missing without a trace.
 * @param file as `readSealFile`
 * @returns the seal of what is there
 * @throws WEFT_STORE_CORRUPT unless losses are accepted
 */
export async function checkSeal(
  db: Database,
  directory: string,
  file: StoreSeal | null | undefined,
  onLoss: OnLoss,
  ciphers: TenantCiphers,
): Promise<StoreSeal> {
  const stored = await storedSeal(db)
  const found = await foundContexts(db)
  const commits = Math.max(file?.commits ?? 0, stored instanceof Error ? 0 : stored.commits)
  const actual = { ...found, commits }
  if (onLoss === 'accept') return actual
  const loss = lossOf(stored, found, file)
  if (loss !== undefined && !(loss.isExplainable && (await holdsDamaged(db, ciphers)))) {
    throw lostStore(directory, loss.reason)
  }
  return actual
}

interface Loss {
  readonly reason: string
  /** Damaged contexts that can be named may be all there is to it. */
  readonly isExplainable: boolean
}

function lossOf(
  stored: StoreSeal | Error,
  found: StoreSeal,
  file: StoreSeal | null | undefined,
): Loss | undefined {
  if (stored instanceof Error) return { reason: stored.message, isExplainable: false }
  if (!file) {
    const what = file === null ? 'is unreadable' : 'is missing'
    return { reason: `the file weft.seal ${what}, which says what it should hold`, isExplainable: false }
  }
  if (file.commits > stored.commits) {
    const reason = `its last commit is number ${stored.commits}, and number ${file.commits} was acknowledged`
    return { reason, isExplainable: false }
  }
  if (file.commits === stored.commits && !sameContexts(file, stored)) {
    return { reason: 'the file weft.seal is that of another store', isExplainable: false }
  }
  if (sameContexts(stored, found)) return undefined
  const reason =
    stored.contexts === found.contexts
      ? 'a context of it has gone back to an earlier state'
      : `it should hold ${stored.contexts} contexts and holds ${found.contexts}`
  return { reason, isExplainable: true }
}

async function storedSeal(db: Database): Promise<StoreSeal | Error> {
  const value = await db.get(SEAL_KEY)
  if (value === undefined) return new Error('its seal is missing')
  try {
    return decodeStoreSeal(SEAL_KEY, value)
  } catch (thrown) {
    return new Error(reasonOf(thrown), { cause: thrown })
  }
}

/** Of each tenant its heads, which come first, and then on to the next one: a step for most tenants. */
async function foundContexts(db: Database): Promise<StoreSeal> {
  const heads: HeadChange[] = []
  const rows = db.iterator(TENANT_KEYS)
  // A damaged index can lead a seek back to what lies before: see skipTo.
  let from = ''
  try {
    for (let count = FEW; ; ) {
      const page = await rows.nextv(count)
      if (page.length === 0) return sealAfter(NEW_STORE, heads)
      for (const [key, after] of page)
        if (key >= from && isHead(key)) heads.push({ before: undefined, after })
      const last = page.at(-1)![0]
      const tenant = last < from || isHead(last) ? undefined : tenantOf(last)
      if (tenant !== undefined) {
        from = new TenantKeys(tenant).all.lt
        rows.seek(from)
      }
      count = tenant === undefined ? MANY : FEW
    }
  } finally {
    await rows.close()
  }
}

async function holdsDamaged(db: Database, ciphers: TenantCiphers): Promise<boolean> {
  for await (const { tenant } of knownTenants(db)) {
    const snapshot = db.snapshot()
    try {
      for await (const each of new HeadWalk(db, new TenantKeys(tenant), snapshot, ciphers)) {
        if (isWeftError(each)) return true
      }
    } finally {
      await snapshot.close()
    }
  }
  return false
}

/** A stray key is told of when tenants are listed. If it was that of a head, the sum lacks it. */
async function* knownTenants(db: Database) {
  for await (const found of tenantsIn(db)) if ('tenant' in found) yield found
}
