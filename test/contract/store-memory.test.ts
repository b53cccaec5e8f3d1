import type { Store } from '@weft/core'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import type { StoreHarness } from './store-harness.ts'
import { storeContract } from './store.contract.ts'

class MemoryHarness implements StoreHarness {
  readonly #disk = new MemoryDisk()
  #store: Store | undefined

  async open(): Promise<Store> {
    await this.#store?.close()
    this.#store = new MemoryStore(this.#disk)
    return this.#store
  }

  async flipBit(tenant: string, workflow: string, position: number): Promise<void> {
    const { bytes } = this.#context(tenant, workflow).records[position - 1]!
    bytes[bytes.length >> 1]! ^= 1
  }

  async loseRecord(tenant: string, workflow: string, position: number): Promise<void> {
    const { records } = this.#context(tenant, workflow)
    if (position === records.length) records.pop()
    else delete records[position - 1]
  }

  async loseHead(tenant: string, workflow: string): Promise<void> {
    const context = this.#context(tenant, workflow)
    context.head = { ...context.head, count: 0, heads: [] }
  }

  async discard(): Promise<void> {
    await this.#store?.close()
  }

  #context(tenant: string, workflow: string) {
    return this.#disk.tenants.get(tenant)!.get(workflow)!
  }
}

storeContract('memory', async () => new MemoryHarness())
