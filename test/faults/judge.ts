import { type ChangeId, type Position, type Store, wholeLog } from '@weft/core'
import { ANY_CONTEXT, connect } from '@weft/replica'
import { sha256 } from '../support/core-property.ts'
import type { ServeProcess } from '../support/peer-process.ts'

const PATIENCE = { timeout_ms: 60_000 }

export interface Address {
  readonly tenant: string
  readonly workflow: string
}

/** What was acknowledged: it must be there, at its position, in the bytes in which it was written. */
export interface Bound extends Address, Place {
  readonly id: ChangeId
}

interface Place {
  readonly position: Position
  readonly bytes: Uint8Array
}

/** What is there, by context. */
export type Found = ReadonlyMap<string, ReadonlyMap<ChangeId, Place>>

export function keyOf({ tenant, workflow }: Address): string {
  return `${tenant}/${workflow}`
}

/** The contexts of what was acknowledged, as a peer shows them to a replica that has nothing yet. */
export async function readThrough(serve: ServeProcess, bound: readonly Bound[]): Promise<Found> {
  const found = new Map<string, Map<ChangeId, Place>>()
  const addresses = new Map(bound.map(each => [keyOf(each), each]))
  for (const [key, { tenant, workflow }] of addresses) {
    const replica = await connect({ url: serve.url, token: await serve.token(tenant), ...PATIENCE })
    try {
      const context = await replica.open(ANY_CONTEXT, { workflow, agent: 'judge', ...PATIENCE })
      const places = context
        .changes()
        .map(({ id, bytes }) => [id, { position: context.positionOf(id)!, bytes }] as const)
      found.set(key, new Map(places))
    } finally {
      await replica.close({ discard: true })
    }
  }
  return found
}

/** All that a store holds. @throws WEFT_STORE_CORRUPT */
export async function readStore(store: Store): Promise<Found> {
  const found = new Map<string, Map<ChangeId, Place>>()
  for await (const tenant of store.tenants()) {
    const tenantStore = store.tenant(tenant)
    for await (const { workflow } of tenantStore.heads()) {
      const places = new Map<ChangeId, Place>()
      for await (const records of wholeLog(tenantStore, workflow, sha256))
        for (const { id, position, bytes } of records) places.set(id, { position, bytes })
      found.set(keyOf({ tenant, workflow }), places)
    }
  }
  return found
}

/** What of it is not there as it was acknowledged, for people. */
export function lostOf(bound: readonly Bound[], found: Found): string[] {
  return bound.flatMap(each => {
    const there = found.get(keyOf(each))?.get(each.id)
    const fault = faultOf(each, there)
    return fault ? [`${keyOf(each)} at ${each.position}, ${each.id.slice(0, 8)}: ${fault}`] : []
  })
}

function faultOf(bound: Place, there: Place | undefined): string | undefined {
  if (there === undefined) return 'it is not there'
  if (there.position !== bound.position) return `it is at ${there.position}`
  return Buffer.compare(there.bytes, bound.bytes) === 0 ? undefined : 'it has other bytes'
}
