import { Admission, BranchWriter, ChangeSet, type Store } from '@weft/core'
import { openStoreOn } from '@weft/store-level'
import {
  Decoder,
  Dice,
  NO_SKEW,
  type Observation,
  Scheduler,
  SimDisk,
  SimLevel,
  SimProcess,
  watchDisk,
} from '@weft/testkit'
import { describe, expect, it } from 'vitest'
import { seededHost, sha256 } from '../support/core-property.ts'

const turnOfPromises = () => new Promise<void>(resolve => void setImmediate(resolve))

/** A disk with the production store on it, and a process that uses it. */
class Rig {
  readonly scheduler = new Scheduler()
  readonly seen: Observation[] = []
  readonly disk: SimDisk
  process = this.#process(1)
  readonly #writer = new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
  readonly #admission = new Admission(sha256)

  constructor(seed: number) {
    const watch = watchDisk(new Decoder(), observation => this.seen.push(observation))
    this.disk = new SimDisk(this.scheduler, new Dice(seed), watch)
  }

  #process(run: number): SimProcess {
    return new SimProcess('peer', `peer#${run}`, this.scheduler, new Dice(run), NO_SKEW)
  }

  /** Another process, after a crash. */
  restart(): void {
    this.process.kill()
    this.process = this.#process(2)
  }

  open(): Promise<Store> {
    return this.done(
      openStoreOn(new SimLevel(this.disk, this.process), { name: 'disk', isOld: this.disk.rows.length > 0 }),
    )
  }

  /** Begins to write the next change; its promise is the store's. */
  append(store: Store, tenant = 'acme'): Promise<void> {
    const change = this.#writer.write({ entries: [{ kind: 'note', value: 'x' }] })!
    this.#admission.admit(change, 0)
    const { dag } = this.#admission
    const records = [{ position: dag.size, id: change.id, bytes: change.bytes }]
    const heads = [...dag.heads].map(node => dag.id(node))
    const append = store.tenant(tenant).append({ records, head: { workflow: 'w', count: dag.size, heads } })
    append.catch(() => {})
    return append
  }

  /** Lets things happen until a promise is settled. */
  async done<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    promise.then(
      () => {
        isSettled = true
      },
      () => {
        isSettled = true
      },
    )
    // What was just begun may have planned nothing yet.
    await turnOfPromises()
    while (!isSettled && (await this.scheduler.turn()));
    return promise
  }

  async count(store: Store): Promise<number> {
    return (await store.tenant('acme').head('w'))?.count ?? 0
  }
}

describe('the simulated disk under the production store', () => {
  it('[DUR-1] keeps what was fsynced through a power cut', async () => {
    const rig = new Rig(1)
    const store = await rig.open()
    await rig.done(rig.append(store))
    await rig.done(rig.append(store))
    rig.disk.powerCut(false)
    rig.restart()
    expect(await rig.count(await rig.open())).toBe(2)
    expect(rig.seen.filter(({ saw }) => saw === 'durable')).toHaveLength(2)
  })

  it('loses what was written without a sync to a power cut, and not to a crash', async () => {
    const rig = new Rig(1)
    const level = new SimLevel(rig.disk, rig.process)
    await rig.done(level.open())
    await rig.done(level.batch([{ type: 'put', key: 'k', value: Uint8Array.of(1) }]))
    rig.disk.processDied()
    expect(rig.disk.rows).toHaveLength(1)
    expect(rig.disk.durable).toHaveLength(0)
    rig.disk.powerCut(false)
    expect(rig.disk.rows).toHaveLength(0)
  })

  it('[DUR-1] a batch in flight is there whole or not at all', async () => {
    const found = new Set<number>()
    for (let seed = 1; seed <= 12; seed++) {
      const rig = new Rig(seed)
      const store = await rig.open()
      await rig.done(rig.append(store))
      void rig.append(store)
      await turnOfPromises()
      rig.disk.powerCut(false)
      rig.restart()
      found.add(await rig.count(await rig.open()))
    }
    expect([...found].sort()).toEqual([1, 2])
  })

  it('[DUR-3] after an error what was written may be there or not, and nothing is used until it is opened again', async () => {
    const found = new Set<number>()
    for (let seed = 1; seed <= 12; seed++) {
      const rig = new Rig(seed)
      const store = await rig.open()
      rig.disk.trouble = 'eio'
      await expect(rig.done(rig.append(store))).rejects.toMatchObject({ code: 'WEFT_STORE_FAILED' })
      await expect(store.tenant('acme').head('w')).rejects.toMatchObject({ code: 'WEFT_STORE_FAILED' })
      rig.disk.trouble = 'none'
      found.add(await rig.count(await rig.open()))
    }
    expect([...found].sort()).toEqual([0, 1])
  })

  it('[DUR-3] a full disk takes nothing', async () => {
    const rig = new Rig(1)
    const store = await rig.open()
    rig.disk.trouble = 'enospc'
    await expect(rig.done(rig.append(store))).rejects.toMatchObject({ code: 'WEFT_STORE_FAILED' })
    rig.disk.trouble = 'none'
    expect(await rig.count(await rig.open())).toBe(0)
  })

  it('[DUR-4] any flipped bit is found when it is read, and a backup brings the context back', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const rig = new Rig(seed)
      const store = await rig.open()
      for (let i = 0; i < 3; i++) await rig.done(rig.append(store))
      expect(rig.disk.flip(new Dice(seed))).toBeDefined()
      const read = async () => {
        const context = (await rig.open()).tenant('acme')
        await context.head('w')
        return context.read('w', 1, 1_000_000)
      }
      await expect(read()).rejects.toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      rig.disk.restore()
      expect(await read()).toHaveLength(3)
    }
  })

  it('[DUR-4] a torn batch is found when it is read', async () => {
    let torn = 0
    for (let seed = 1; seed <= 12; seed++) {
      const rig = new Rig(seed)
      const store = await rig.open()
      await rig.done(rig.append(store))
      void rig.append(store)
      await turnOfPromises()
      rig.disk.powerCut(true)
      if (!rig.disk.isDamaged) continue
      torn++
      rig.restart()
      const found = (await rig.open()).tenant('acme').head('w')
      await expect(found).rejects.toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      rig.disk.restore()
      expect(await rig.count(await rig.open())).toBe(2)
    }
    expect(torn).toBeGreaterThan(0)
  })

  it('[TEN-4] says what is gone of a tenant once, and a backup brings none of it back', async () => {
    let torn = 0
    for (let seed = 1; seed <= 24; seed++) {
      const rig = new Rig(seed)
      const store = await rig.open()
      for (let i = 0; i < 2; i++) await rig.done(rig.append(store))
      void rig.append(store)
      await turnOfPromises()
      rig.disk.powerCut(true)
      if (!rig.disk.isDamaged) continue
      torn++
      rig.restart()
      const changes = rig.disk.durable.filter(({ key }) => key.startsWith('acme\0l\0')).length
      expect(await rig.done((await rig.open()).tenant('acme').drop())).toEqual({ workflows: 1, changes })
      expect(rig.seen.filter(({ saw }) => saw === 'removed')).toEqual([
        { saw: 'removed', tenant: 'acme', heads: 1, changes, left: 0 },
        // How much there was is noted apart.
        { saw: 'removed', tenant: 'acme', heads: 0, changes: 0, left: 0 },
      ])
      rig.disk.restore()
      expect(rig.disk.rows.filter(({ key }) => key.includes('acme'))).toEqual([])
    }
    expect(torn).toBeGreaterThan(2)
  })

  it('a dead process writes nothing any more', async () => {
    const rig = new Rig(1)
    const store = await rig.open()
    rig.process.kill()
    void rig.append(store)
    await turnOfPromises()
    while (await rig.scheduler.turn());
    expect(rig.disk.rows.filter(({ key }) => !key.startsWith('!'))).toEqual([])
  })
})
