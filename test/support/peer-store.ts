import { setImmediate as nextTurn } from 'node:timers/promises'
import { type LogAppend, type Store, type TenantId, type TenantStore, WeftError } from '@weft/core'
import { type MemoryDisk, MemoryStore } from './memory-store.ts'

/** When a write is to fail: before it has reached the disk, or after. The peer cannot tell which. */
export type WriteFault = 'before' | 'after'

/** What stands between a peer's stores and their disk: it can hold writes back, and break them. */
export class StoreGate {
  /** Stores that were opened on it. */
  opened = 0
  appends = 0
  reads = 0
  fault: WriteFault | undefined
  /** Turns of the event loop that a write takes, as on a real disk, so that more arrives meanwhile. */
  turns = 0
  #held: Promise<void> | undefined
  /** Lets go of what is held. */
  release: () => void = () => {}

  constructor(readonly disk: MemoryDisk) {}

  readonly openStore = async (): Promise<Store> => {
    this.opened++
    return new GatedStore(this)
  }

  /** Holds all writes back until the returned function is called. */
  hold(): () => void {
    this.#held = new Promise(resolve => {
      this.release = () => {
        this.#held = undefined
        resolve()
      }
    })
    return this.release
  }

  /** The next write fails, then all is well again. */
  async pass(write: () => Promise<void>): Promise<void> {
    this.appends++
    await this.#held
    for (let turn = 0; turn < this.turns; turn++) await nextTurn()
    const { fault } = this
    this.fault = undefined
    if (fault !== 'before') await write()
    if (fault !== undefined) throw new WeftError('WEFT_STORE_FAILED', 'the disk failed', 'replace the disk')
  }
}

class GatedStore extends MemoryStore {
  constructor(private readonly gate: StoreGate) {
    super(gate.disk)
  }

  override tenant(id: TenantId): TenantStore {
    const store = super.tenant(id)
    const append = store.append.bind(store)
    const read = store.read.bind(store)
    store.read = (...range) => {
      this.gate.reads++
      return read(...range)
    }
    store.append = (records: LogAppend) => this.gate.pass(() => append(records))
    return store
  }
}

/** A store whose tenants do some things otherwise. */
export function overriding(store: Store, methods: (inner: TenantStore) => Partial<TenantStore>): Store {
  const tenant = (id: string): TenantStore => {
    const inner = store.tenant(id)
    const own = methods(inner)
    return new Proxy(inner, {
      get: (_, name: keyof TenantStore) => {
        const value = own[name] ?? inner[name]
        return typeof value === 'function' ? value.bind(inner as never) : value
      },
    })
  }
  return {
    tenant,
    tenants: () => store.tenants(),
    unfinishedDrops: store.unfinishedDrops,
    close: () => store.close(),
  }
}
