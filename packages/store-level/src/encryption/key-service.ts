/**
 * Who holds the master key. It encrypts the data keys of tenants, 32 bytes each, and never sees data: as a key management
 * service does. The context is bound to what is wrapped: the id of the tenant, or `STORE_CONTEXT`. Each call must settle;
 * what it rejects with reaches the caller as WEFT_STORE_KEY, and is no damage.
 */
export interface KeyService {
  /** @returns what only `unwrap` can open again, and only with this context; a few hundred bytes as a rule */
  wrap(dataKey: Uint8Array, context: string): Promise<Uint8Array>
  /** @returns the data key, which the caller may overwrite; rejects when it was wrapped by another key, or under another context */
  unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array>
}

export const DATA_KEY_BYTES = 32

/** The key of the store itself, under a name that no tenant can have: it opens only under the master that the store has. */
export const STORE_CONTEXT = '!store'
