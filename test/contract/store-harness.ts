import type { Store } from '@weft/core'

/** One place where stores can be opened one after the other, and be damaged while none is open. */
export interface StoreHarness {
  /** Closes the store that was opened before. */
  open(): Promise<Store>
  flipBit(tenant: string, workflow: string, position: number): Promise<void>
  loseRecord(tenant: string, workflow: string, position: number): Promise<void>
  loseHead(tenant: string, workflow: string): Promise<void>
  /** Closes what is open and removes everything. */
  discard(): Promise<void>
}
