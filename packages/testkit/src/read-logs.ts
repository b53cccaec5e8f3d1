import type { ChangeId } from '@weft/core'
import { openStoreOn } from '@weft/store-level'
import type { SimDisk } from './disk.js'
import { SimLevel } from './level.js'
import { type Place, placeOf } from './observation.js'
import type { SimProcess } from './process.js'

/** What lies in a log, by position. */
export interface Log {
  readonly at: Place
  readonly ids: readonly ChangeId[]
}

const PAGE_BYTES = 1_048_576

/** All logs that lie on a disk, read and verified by a store of its own. @throws WEFT_STORE_CORRUPT */
export async function readLogs(disk: SimDisk, process: SimProcess): Promise<Log[]> {
  const store = await openStoreOn(new SimLevel(disk, process), { name: 'disk', isOld: true })
  const logs: Log[] = []
  for await (const tenant of store.tenants()) {
    const kept = store.tenant(tenant)
    for await (const { workflow, count } of kept.heads()) {
      const ids: ChangeId[] = []
      while (ids.length < count)
        for (const { id } of await kept.read(workflow, ids.length + 1, PAGE_BYTES)) ids.push(id)
      logs.push({ at: placeOf(tenant, workflow), ids })
    }
  }
  await store.close()
  return logs
}
