import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '@weft/core'
import { openLevelStore } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { until } from '../support/peer-until.ts'
import { Disk, LevelHarness } from './level-harness.ts'
import { collect, LogMaker, recordsOf, written } from './log-maker.ts'
import { rejection, rejections } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER

describe('LevelDB store: writes', () => {
  let harness: LevelHarness
  let disk: Disk
  let store: Store

  beforeEach(async () => {
    harness = await LevelHarness.make()
    disk = new Disk()
    store = await harness.open({ database: disk.database })
    disk.batches.length = 0
  })

  afterEach(() => harness.discard())

  test('[DUR-1] what was acknowledged is in the files, without any closing', async () => {
    const maker = await written(store, 't', 'w', 10)
    const after = await harness.killed()
    try {
      expect(await recordsOf((await after.open()).tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
    } finally {
      await after.discard()
    }
    expect(disk.batches.map(({ sync }) => sync)).toEqual(disk.batches.map(() => true))
  })

  test('[DUR-1] no append resolves before the fsync of its batch', async () => {
    const release = disk.hold()
    let resolved = false
    const append = store.tenant('t').append(new LogMaker('w').next())
    void append.then(() => {
      resolved = true
    })
    await until(() => disk.batches.length === 1, 'the batch is under way')
    expect(resolved).toBe(false)
    release()
    await append
  })

  test('appends that come while a batch is in flight share the next one', async () => {
    const release = disk.hold()
    const first = store.tenant('t').append(new LogMaker('first').next())
    await until(() => disk.batches.length === 1, 'the batch is under way')
    const maker = new LogMaker('w')
    const rest = Array.from({ length: 100 }, () => store.tenant('t').append(maker.next()))
    const other = store.tenant('u').append(new LogMaker('w').next(3))
    release()
    await Promise.all([first, other, ...rest])
    // 100 records and one head of one context, 3 and one of the other, what each tenant stores, the seal of the store.
    expect(disk.batches.map(({ operations }) => operations)).toEqual([4, 102 + 5 + 1])
    expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
  })

  test('appends of one turn share a batch', async () => {
    const maker = new LogMaker('w')
    await Promise.all(Array.from({ length: 10 }, () => store.tenant('t').append(maker.next())))
    expect(disk.batches).toHaveLength(1)
  })

  test('a batch is bounded in bytes, and an append is never divided', async () => {
    store = await harness.open({ database: disk.database, batch_bytes_max: 10_000 })
    disk.batches.length = 0
    const maker = new LogMaker('w')
    await Promise.all(Array.from({ length: 8 }, () => store.tenant('t').append(maker.next(1, 4_000))))
    expect(disk.batches.map(({ operations }) => operations)).toEqual([5, 5, 5, 5])
    await store.tenant('t').append(maker.next(5, 4_000))
    expect(disk.batches.at(-1)?.operations).toBe(8)
    expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
  })

  test('[TEN-2] tenants that wait are written in turn, each in its own order', async () => {
    store = await harness.open({ database: disk.database, batch_bytes_max: 10_000 })
    disk.batches.length = 0
    const release = disk.hold()
    const first = store.tenant('t').append(new LogMaker('first').next())
    await until(() => disk.batches.length === 1, 'the batch is under way')
    const done: string[] = []
    const maker = new LogMaker('w')
    const flood = Array.from({ length: 10 }, (_, index) =>
      store
        .tenant('t')
        .append(maker.next(1, 4_000))
        .then(() => done.push(`t${index}`)),
    )
    const small = store
      .tenant('u')
      .append(new LogMaker('w').next())
      .then(() => done.push('u'))
    release()
    await Promise.all([first, small, ...flood])
    expect(done.slice(0, 3)).toEqual(['t0', 'u', 't1'])
    expect(done.filter(name => name !== 'u')).toEqual(Array.from({ length: 10 }, (_, index) => `t${index}`))
    expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
  })

  test('a head that its owner goes on changing is stored as it was', async () => {
    const maker = new LogMaker('w')
    const { records, head } = maker.next()
    const heads = [...head.heads]
    const append = store.tenant('t').append({ records, head: { ...head, heads } })
    heads[0] = 'f'.repeat(64)
    await append
    expect(await store.tenant('t').head('w')).toEqual(maker.headAt())
  })

  for (const [outcome, reaches] of [
    ['did not reach the disk', false],
    ['reached the disk all the same', true],
  ] as const) {
    test(`[DUR-3] after a failed write nothing is served until reopening; it ${outcome}`, async () => {
      const maker = await written(store, 't', 'w', 2)
      const tenant = store.tenant('t')
      const appends: Promise<unknown>[] = []
      disk.fault = async write => {
        appends.push(rejection(tenant.append(maker.next())))
        if (reaches) await write()
        throw new Error('EIO')
      }
      appends.push(rejection(tenant.append(maker.next())))
      await appends[0]
      expect(await Promise.all(appends)).toMatchObject([
        { code: 'WEFT_STORE_FAILED' },
        { code: 'WEFT_STORE_FAILED' },
      ])
      expect(disk.batches).toHaveLength(3)
      disk.fault = undefined
      for (const refused of await rejections([
        tenant.append(maker.next()),
        tenant.read('w', 1, ALL),
        tenant.head('w'),
        tenant.drop(),
        collect(tenant.heads()),
        collect(store.tenants()),
        store.tenant('other').append(new LogMaker('w').next()),
      ])) {
        expect(refused).toMatchObject({ code: 'WEFT_STORE_FAILED' })
      }

      store = await harness.open()
      const count = reaches ? 3 : 2
      expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(
        maker.records.slice(0, count),
      )
      await store.tenant('t').append(maker.appendOf(count, 5))
      expect(await recordsOf(store.tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
    })
  }

  test('[DUR-3] a write that fails while the store closes is reported as failed', async () => {
    disk.fault = async () => {
      throw new Error('EIO')
    }
    const append = rejection(store.tenant('t').append(new LogMaker('w').next()))
    await store.close()
    expect(await append).toMatchObject({ code: 'WEFT_STORE_FAILED' })
  })

  test.each([
    [false, 3],
    [true, 0],
  ])('[TIR-2] a removal that fails leaves all or nothing (it reached the disk: %s)', async (reaches, count) => {
    await written(store, 't', 'w', 3)
    const before = disk.batches.length
    disk.fault = async write => {
      const deletes = disk.batches.length > before + 1
      if (reaches || !deletes) await write()
      if (deletes) throw new Error('EIO')
    }
    expect(await rejection(store.tenant('t').remove('w'))).toMatchObject({ code: 'WEFT_STORE_FAILED' })
    disk.fault = undefined
    store = await harness.open()
    expect(await store.tenant('t').read('w', 1, ALL)).toHaveLength(count)
  })

  test('[DUR-3] a store whose disk fails to sync while it closes can be opened again', async () => {
    await harness.close()
    const failing = await openLevelStore(harness.directory)
    await written(failing, 't', 'w', 3)
    const file = await open(join(harness.directory, 'CURRENT'))
    const sync = vi.spyOn(Object.getPrototypeOf(file), 'sync').mockRejectedValueOnce(new Error('EIO'))
    await file.close()
    await expect(failing.close()).rejects.toThrow('EIO')
    sync.mockRestore()
    expect(await (await harness.open()).tenant('t').read('w', 1, ALL)).toHaveLength(3)
  })

  test('[TIR-2] while a context is removed nothing of it is served; others are', async () => {
    await written(store, 't', 'w', 3)
    const other = await written(store, 't', 'other', 1)
    const removal = store.tenant('t').remove('w')
    for (const refused of await rejections([
      store.tenant('t').head('w'),
      store.tenant('t').read('w', 1, ALL),
      store.tenant('t').append(new LogMaker('w').next()),
      store.tenant('t').remove('w'),
    ])) {
      expect(refused).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
    }
    await store.tenant('t').append(other.next())
    expect(await removal).toMatchObject({ changes: 3 })
    expect(await store.tenant('t').read('other', 1, ALL)).toHaveLength(2)
  })

  test('[TEN-4 drop] a drop that was cut short is finished at the next opening', async () => {
    await written(store, 'gone', 'w', 3)
    const maker = await written(store, 'kept', 'w', 3)
    const before = disk.batches.length
    disk.fault = async write => {
      if (disk.batches.length > before + 1) throw new Error('EIO')
      await write()
    }
    expect(await rejection(store.tenant('gone').drop())).toMatchObject({ code: 'WEFT_STORE_FAILED' })
    const left = await harness.raw(db => db.keys().all())
    expect(left.filter(key => key.startsWith('gone\0'))).toHaveLength(4)

    store = await harness.open()
    expect(await collect(store.tenants())).toEqual(['kept'])
    expect(await recordsOf(store.tenant('kept').read('w', 1, ALL))).toStrictEqual(maker.records)
    const keys = await harness.raw(db => db.keys().all())
    expect(keys.filter(key => key.includes('gone'))).toEqual([])
  })

  test('[TEN-4 drop] one that is to leave something and is cut short stays shut until it is asked for again', async () => {
    for (let batches = 1; batches <= 3; batches++) {
      await written(store, 'gone', 'w', 3)
      const { length: before } = disk.batches
      disk.fault = async write => {
        if (disk.batches.length >= before + batches) throw new Error('EIO')
        await write()
      }
      const left = new LogMaker('@overlays')
      const cut = await rejection(store.tenant('gone').drop(() => left.next()))
      expect(cut).toMatchObject({ code: 'WEFT_STORE_FAILED' })
      disk.fault = undefined
      for (let opening = 0; opening < 2; opening++) {
        store = await harness.open({ database: disk.database })
        // Of the first batch it is not known.
        if (batches === 1) break
        expect(store.unfinishedDrops).toEqual(['gone'])
        expect(await collect(store.tenants())).toEqual([])
        const gone = store.tenant('gone')
        for (const refused of await rejections([
          gone.head('w'),
          gone.read('w', 1, ALL),
          gone.append(new LogMaker('w').next()),
        ])) {
          expect(refused).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
        }
      }
      await store.tenant('gone').drop(() => new LogMaker('@overlays').next())
      expect(store.unfinishedDrops).toEqual([])
      expect(await collect(store.tenant('gone').heads())).toMatchObject([{ workflow: '@overlays', count: 1 }])
      await store.tenant('gone').drop()
    }
  })

  test('[TEN-4 drop] while a tenant is dropped nothing of it is served; others are', async () => {
    await written(store, 'gone', 'w', 3)
    const maker = await written(store, 'kept', 'w', 3)
    const drop = store.tenant('gone').drop()
    const refused = [
      store.tenant('gone').read('w', 1, ALL),
      store.tenant('gone').head('w'),
      store.tenant('gone').append(new LogMaker('w').next()),
      store.tenant('gone').drop(),
    ]
    const appended = store.tenant('kept').append(maker.next())
    for (const one of refused) expect(await rejection(one)).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
    await appended
    expect(await drop).toEqual({ workflows: 1, changes: 3 })
    await written(store, 'gone', 'w', 1)
  })

  test('[TEN-4 drop] a tenant of many changes is removed whole', async () => {
    const maker = new LogMaker('w')
    await store.tenant('t').append(maker.next(5_000))
    expect(await store.tenant('t').drop()).toEqual({ workflows: 1, changes: 5_000 })
    expect(await harness.raw(db => db.keys().all())).toEqual(['!format', '!seal'])
  })
})
