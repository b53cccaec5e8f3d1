import { isWeftError, type LogHead, type LogRecord, type TenantStore } from '@weft/core'
import { openStoreOn } from '@weft/store-level'
import type { SimDisk } from './disk.js'
import { SimLevel } from './level.js'
import { type Observation, placeOf } from './observation.js'
import type { SimProcess } from './process.js'

const PAGE_BYTES = 1_048_576

/** Reads a disk as a backup of it does: whatever is damaged may be refused by name, and all else is said to be so (DUR-4). */
export async function inspect(
  disk: SimDisk,
  process: SimProcess,
  see: (observation: Observation) => void,
): Promise<void> {
  await unlessDamaged(async () => {
    const store = await openStoreOn(new SimLevel(disk.copy(), process), { name: 'copy', isOld: true })
    for await (const tenant of store.tenants()) {
      const kept = store.tenant(tenant)
      await unlessDamaged(async () => {
        for await (const head of kept.heads()) await unlessDamaged(() => inspectOne(kept, head, see))
      })
    }
    await store.close()
  })
}

async function inspectOne(
  kept: TenantStore,
  head: LogHead,
  see: (observation: Observation) => void,
): Promise<void> {
  const records: LogRecord[] = []
  see({ saw: 'stored', at: placeOf(kept.tenant, head.workflow), head, records })
  while (records.length < head.count)
    records.push(...(await kept.read(head.workflow, records.length + 1, PAGE_BYTES)))
  see({ saw: 'stored', at: placeOf(kept.tenant, head.workflow), head, records })
}

async function unlessDamaged(read: () => Promise<void>): Promise<void> {
  try {
    await read()
  } catch (error) {
    if (!isWeftError(error) || error.code !== 'WEFT_STORE_CORRUPT') throw error
  }
}
