import type { LogEnd, LogHead, LogRecord, TenantId } from '@weft/core'
import type { StoredHead } from '../records/head-codec.js'

/** A head record that is written or removed: looked up, if it is not known, when its turn comes. */
export interface HeadTouch {
  readonly key: string
  /** @throws WEFT_STORE_CORRUPT when the write must not be; of one that is removed nothing needs to be sound */
  readonly find: () => Promise<StoredHead | undefined>
}

/** What one caller wants written atomically. */
export interface Write {
  /** Whose turn it takes; empty for what is the store's own. */
  readonly tenant: TenantId | ''
  /** A value to put, or null to delete the key; no head records. */
  readonly operations: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  /** Kept apart, so that a batch writes the head of a context once however many appends it holds. */
  readonly append?: HeadTouch & {
    readonly end: LogEnd
    readonly records: readonly LogRecord[]
    /** The head record as it is to lie in the store. */
    readonly encode: (head: LogHead) => Uint8Array
  }
  readonly removes?: readonly HeadTouch[]
  /** By how much it changes what the tenant stores, in bytes of changes (usage.ts). */
  readonly stored?: number
  /** Nothing of the tenant is left after it but what it appends. */
  readonly isEndOfDrop?: boolean
}

export function bytesOf(write: Write): number {
  let bytes = 0
  for (const { key, value } of write.operations) bytes += key.length + (value?.length ?? 0)
  return bytes
}

interface Waiting {
  readonly write: Write
  readonly bytes: number
}

/** Writes that wait: those of one tenant in the order in which they came, tenants in turn. */
export class WriteQueue<Entry extends Waiting> {
  /** The tenant whose turn it is comes first. */
  readonly #tenants = new Map<string, Entry[]>()

  get isEmpty(): boolean {
    return this.#tenants.size === 0
  }

  put(entry: Entry): void {
    const { tenant } = entry.write
    const entries = this.#tenants.get(tenant)
    if (entries) entries.push(entry)
    else this.#tenants.set(tenant, [entry])
  }

  /** What goes into the next batch: one write of each tenant after the other; at least one, then until `bytes_max`. */
  take(bytes_max: number): Entry[] {
    const taken: Entry[] = []
    let bytes = 0
    for (const [tenant, [next]] of this.#tenants) {
      if (next === undefined || (taken.length > 0 && bytes + next.bytes > bytes_max)) break
      taken.push(next)
      bytes += next.bytes
      this.#turn(tenant)
    }
    return taken
  }

  takeAll(): Entry[] {
    const all = [...this.#tenants.values()].flat()
    this.#tenants.clear()
    return all
  }

  /** The first of a tenant is taken: it goes behind the others, if it has more. */
  #turn(tenant: string): void {
    const entries = this.#tenants.get(tenant)!
    entries.shift()
    this.#tenants.delete(tenant)
    if (entries.length > 0) this.#tenants.set(tenant, entries)
  }
}
