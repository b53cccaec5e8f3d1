import { decodeChange } from '@weft/core'
import type { RowWrite } from './disk.js'
import { sha256 } from './host.js'
import type { Observation } from './observation.js'

/** Spelled here a second time, and not taken from the store: it is what the store is held against (TEN-2). */
const RECORD = /^([A-Za-z0-9._~-]+)\0l\0(@?[A-Za-z0-9._~-]+)\0([0-9a-f]{14})$/
const HEAD = /^[A-Za-z0-9._~-]+\0h\0@?[A-Za-z0-9._~-]+$/
const ID_AND_SUM_BYTES = 36

/** Says what rows that have become durable mean. */
export function watchDisk(see: (observation: Observation) => void): (writes: readonly RowWrite[]) => void {
  return writes => {
    for (const { key, value } of writes) {
      if (value === undefined || key.startsWith('!') || HEAD.test(key)) continue
      const record = RECORD.exec(key)
      if (record === null) {
        see({ saw: 'stray', key })
        continue
      }
      const [, tenant, workflow, position] = record as unknown as [string, string, string, string]
      const change = decodeChange(value.slice(ID_AND_SUM_BYTES), sha256)
      see({ saw: 'durable', tenant, workflow, position: Number.parseInt(position, 16), change })
    }
  }
}
