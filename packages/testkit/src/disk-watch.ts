import { entryOf } from './checker.js'
import type { Decoder } from './decoder.js'
import type { Rows, RowWrite } from './disk.js'
import { type Observation, placeOf } from './observation.js'

/** Spelled here a second time, and not taken from the store: it is what the store is held against (TEN-2). */
const RECORD = /^([A-Za-z0-9._~-]+)\0l\0(@?[A-Za-z0-9._~-]+)\0([0-9a-f]{14})$/
const HEAD = /^([A-Za-z0-9._~-]+)\0h\0@?[A-Za-z0-9._~-]+$/
/** Of a tenant, and outside of its own range. */
const NOTE = /^!(?:usage|dropping)\0([A-Za-z0-9._~-]+)$/
const ID_AND_SUM_BYTES = 36

/** Says which changes lay under keys that are gone. */
export function watchLoss(see: (observation: Observation) => void): (keys: readonly string[]) => void {
  return keys => {
    for (const key of keys) {
      const [, tenant, workflow, position] = RECORD.exec(key) ?? []
      if (position === undefined) continue
      see({ saw: 'lost', at: placeOf(tenant!, workflow!), position: Number.parseInt(position, 16) })
    }
  }
}

/** Says what rows that have become durable mean. */
export function watchDisk(
  decoder: Decoder,
  see: (observation: Observation) => void,
): (writes: readonly RowWrite[], rows: Rows) => void {
  return (writes, rows) => {
    const put = new Set(writes.filter(({ value }) => value !== undefined).map(({ key }) => key))
    for (const removed of removedIn(writes)) {
      const left = keysOf(rows, removed.tenant).filter(key => !NOTE.test(key) && !put.has(key)).length
      see({ saw: 'removed', ...removed, left })
    }
    for (const { key, value } of writes) {
      if (value === undefined || key.startsWith('!') || HEAD.test(key)) continue
      const record = RECORD.exec(key)
      if (record === null) {
        see({ saw: 'stray', key })
        continue
      }
      const [, tenant, workflow, position] = record as unknown as [string, string, string, string]
      const change = decoder.decode(value.subarray(ID_AND_SUM_BYTES))
      const at = placeOf(tenant, workflow)
      see({ saw: 'durable', at, position: Number.parseInt(position, 16), change })
    }
  }
}

/** The keys of rows that are a tenant's, wherever they lie. */
export function keysOf(rows: Rows, tenant: string): string[] {
  return rows.map(({ key }) => key).filter(key => tenantOfRow(key) === tenant)
}

/** Whose row it is. */
export function tenantOfRow(key: string): string | undefined {
  return (RECORD.exec(key) ?? HEAD.exec(key) ?? NOTE.exec(key))?.[1]
}

function removedIn(writes: readonly RowWrite[]) {
  const removed = new Map<string, { tenant: string; heads: number; changes: number }>()
  for (const { key, value } of writes) {
    const tenant = value === undefined && !key.startsWith('!dropping') ? tenantOfRow(key) : undefined
    if (tenant === undefined) continue
    const counts = entryOf(removed, tenant, () => ({ tenant, heads: 0, changes: 0 }))
    if (RECORD.test(key)) counts.changes++
    else if (HEAD.test(key)) counts.heads++
  }
  return removed.values()
}
