import type { Decoder } from './decoder.js'
import type { RowWrite } from './disk.js'
import { type Observation, placeOf } from './observation.js'

/** Spelled here a second time, and not taken from the store: it is what the store is held against (TEN-2). */
const RECORD = /^([A-Za-z0-9._~-]+)\0l\0(@?[A-Za-z0-9._~-]+)\0([0-9a-f]{14})$/
const HEAD = /^[A-Za-z0-9._~-]+\0h\0@?[A-Za-z0-9._~-]+$/
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
): (writes: readonly RowWrite[]) => void {
  return writes => {
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
