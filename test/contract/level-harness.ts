import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@weft/core'
import {
  addMasterKey,
  type Database,
  type KeyService,
  type LevelStoreOptions,
  openLevelStore,
  readKeyFile,
} from '@weft/store-level'
import { Level } from 'level'
import type { StoreHarness } from './store-harness.ts'

type Batch = ReturnType<Database['batch']>

/** A LevelDB store in a directory of its own, and ways to get at it from behind. */
export class LevelHarness implements StoreHarness {
  #store: Store | undefined

  private constructor(
    readonly directory: string,
    private readonly encryption: KeyService | undefined,
  ) {}

  static async make(encryption?: KeyService): Promise<LevelHarness> {
    return new LevelHarness(join(await mkdtemp(join(tmpdir(), 'weft-store-')), 'new', 'store'), encryption)
  }

  /** One whose values lie encrypted, under a master key in a file beside the store. */
  static async makeEncrypted(): Promise<LevelHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-store-'))
    return new LevelHarness(join(folder, 'new', 'store'), await masterIn(folder))
  }

  async open(options?: LevelStoreOptions): Promise<Store> {
    await this.close()
    this.#store = await openLevelStore(this.directory, {
      ...(this.encryption && { encryption: this.encryption }),
      ...options,
    })
    return this.#store
  }

  async close(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
  }

  /** What a killed process would leave: the files as they are now. */
  async killed(): Promise<LevelHarness> {
    const copy = await LevelHarness.make(this.encryption)
    await cp(this.directory, copy.directory, { recursive: true })
    return copy
  }

  /** Works on the keys and values as they lie in LevelDB, while the store is closed. */
  async raw<T>(use: (db: Database) => Promise<T>): Promise<T> {
    await this.close()
    const db = rawDatabase(this.directory)
    await db.open()
    try {
      return await use(db)
    } finally {
      await db.close()
    }
  }

  async flipBit(tenant: string, workflow: string, position: number): Promise<void> {
    await this.raw(async db => {
      const key = recordKey(tenant, workflow, position)
      const value = (await db.get(key))!
      value[value.length >> 1]! ^= 1
      await db.put(key, value)
    })
  }

  async loseRecord(tenant: string, workflow: string, position: number): Promise<void> {
    await this.raw(db => db.del(recordKey(tenant, workflow, position)))
  }

  async loseHead(tenant: string, workflow: string): Promise<void> {
    await this.raw(db => db.del(headKey(tenant, workflow)))
  }

  async discard(): Promise<void> {
    await this.close()
    await rm(join(this.directory, '..', '..'), { recursive: true, force: true })
  }
}

/** A new key file in a folder, and who holds its key. */
export async function masterIn(folder: string, name = 'weft.keys'): Promise<KeyService> {
  await addMasterKey(join(folder, name), 'new file')
  return readKeyFile(join(folder, name))
}

export function rawDatabase(directory: string): Database {
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
}

export function headKey(tenant: string, workflow: string): string {
  return `${tenant}\0h\0${workflow}`
}

export function recordKey(tenant: string, workflow: string, position: number): string {
  return `${tenant}\0l\0${workflow}\0${position.toString(16).padStart(14, '0')}`
}

/** Stands between a store and its disk: counts the batches, and breaks them when told. */
export class Disk {
  /** For each batch: how many operations it had, and whether it was fsynced. */
  readonly batches: { operations: number; sync: boolean | undefined }[] = []
  /** Called in place of the write that it is given. */
  fault: ((write: () => Promise<void>) => Promise<void>) | undefined

  /** Holds every write back until the returned function is called. */
  hold(): () => void {
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    this.fault = async write => {
      await released
      await write()
    }
    return release
  }

  readonly database = (directory: string): Database => {
    const db = rawDatabase(directory)
    const makeBatch: () => Batch = db.batch.bind(db)
    Object.defineProperty(db, 'batch', { value: () => this.#watched(makeBatch()) })
    return db
  }

  #watched(batch: Batch): Batch {
    const write = batch.write.bind(batch)
    batch.write = (options?: { sync?: boolean | undefined }) => {
      this.batches.push({ operations: batch.length, sync: options?.sync })
      const really = () => write({ sync: options?.sync })
      return this.fault === undefined ? really() : this.fault(really)
    }
    return batch
  }
}
