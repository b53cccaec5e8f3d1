import type { WorkflowId } from '@weft/core'
import type { Database } from '../base/database.js'
import type { TenantKeys } from '../base/keys.js'
import { changeBytesOf } from '../records/record-codec.js'
import type { TenantCiphers } from '../encryption/tenant-ciphers.js'
import type { GroupWriter } from '../writes/group-writer.js'
import { deletionOf } from './drop.js'

/**
 * Removes the head and the log of a context in one batch: a crash leaves all of it or nothing. That takes memory for
 * its keys, which is less than an open context takes for its graph.
 */
export async function removeContext(
  db: Database,
  writer: GroupWriter,
  keys: TenantKeys,
  workflow: WorkflowId,
  ciphers: TenantCiphers,
): Promise<{ changes: number; bytes: number }> {
  const { tenant } = keys
  // Behind it in the queue, every append that came before the removal is on disk.
  await writer.write(ciphers.behind(tenant, () => ({ tenant, operations: [] })))
  const records: string[] = []
  let bytes = 0
  for await (const [key, value] of db.iterator(keys.log(workflow))) {
    records.push(key)
    bytes += changeBytesOf(value, ciphers.overhead_bytes)
  }
  const deletion = deletionOf(db, keys, [...records, keys.head(workflow)])
  await writer.write({ ...deletion, stored: -bytes })
  return { changes: records.length, bytes }
}
