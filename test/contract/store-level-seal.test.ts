import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wholeLog } from '@weft/core'
import { openLevelStore } from '@weft/store-level'
import { decode, encode } from 'cborg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { Disk, headKey, LevelHarness, recordKey } from './level-harness.ts'
import { collect, LogMaker, recordsOf, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'

const SHA256_BYTES = 32
const ALL = Number.MAX_SAFE_INTEGER
const LOST = { code: 'WEFT_STORE_CORRUPT', details: { lost: true } }

describe('LevelDB store: the seal over all contexts', () => {
  let harness: LevelHarness

  beforeEach(async () => {
    harness = await LevelHarness.make()
  })

  afterEach(() => harness.discard())

  const sealFile = () => join(harness.directory, 'weft.seal')

  /** Takes a context out of LevelDB as if it had never been written. */
  async function vanish(tenant: string, workflow: string, changes: number): Promise<void> {
    await harness.raw(async db => {
      await db.del(headKey(tenant, workflow))
      for (let position = 1; position <= changes; position++)
        await db.del(recordKey(tenant, workflow, position))
    })
  }

  test('what is sealed is CBOR as any encoder writes it', async () => {
    const store = await harness.open()
    await written(store, 't', 'w', 300)
    const sealed = await harness.raw(db =>
      Promise.all([headKey('t', 'w'), '!seal', '!usage\0t'].map(key => db.get(key))),
    )
    const maps = sealed.map(value => value!.subarray(SHA256_BYTES))
    expect(maps.map(map => Object.keys(decode(map) as object))).toEqual([
      ['v', 'run', 'count', 'heads'],
      ['v', 'sum', 'commits', 'contexts'],
      ['v', 'bytes'],
    ])
    expect(maps.map(map => Buffer.from(encode(decode(map))))).toEqual(maps.map(map => Buffer.from(map)))
  })

  test('[DUR-4] a context that has vanished whole is missed at opening', async () => {
    const store = await harness.open()
    for (const workflow of ['a', 'b']) await written(store, 't', workflow, 3)
    await vanish('t', 'b', 3)
    expect(await rejection(harness.open())).toMatchObject(LOST)
    expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
  })

  test('[DUR-4] a context that has gone back to what it was is missed at opening', async () => {
    const maker = await written(await harness.open(), 't', 'w', 3)
    const old = await harness.raw(async db => (await db.get(headKey('t', 'w')))!)
    await (await harness.open()).tenant('t').append(maker.next())
    await harness.raw(async db => {
      await db.put(headKey('t', 'w'), old)
      await db.del(recordKey('t', 'w', 4))
    })
    expect(await rejection(harness.open())).toMatchObject(LOST)
  })

  test('[DUR-4] a store that has gone back whole is missed at opening, by its file', async () => {
    const maker = await written(await harness.open(), 't', 'w', 3)
    await harness.close()
    const old = await harness.killed()
    await (await harness.open()).tenant('t').append(maker.next())
    await harness.close()
    await cp(sealFile(), join(old.directory, 'weft.seal'))
    expect(await rejection(old.open())).toMatchObject(LOST)
    await old.discard()
    await harness.open()
  })

  test('[DUR-4] losses that are accepted are sealed as they are', async () => {
    const store = await harness.open()
    for (const workflow of ['a', 'b']) await written(store, 't', workflow, 3)
    await vanish('t', 'b', 3)
    await rejection(harness.open())
    await written(await harness.open({ onLoss: 'accept' }), 't', 'c', 1)
    const after = await harness.open()
    expect((await collect(after.tenant('t').heads())).map(({ workflow }) => workflow)).toEqual(['a', 'c'])
  })

  test('[DUR-4] a context that is known to be damaged does not keep the store from opening', async () => {
    const store = await harness.open()
    const good = await written(store, 't', 'good', 3)
    for (const workflow of ['head', 'headless', 'cut']) await written(store, 't', workflow, 3)
    await harness.flipBit('t', 'head', 1)
    await harness.raw(async db => {
      const head = (await db.get(headKey('t', 'head')))!
      head[40]! ^= 1
      await db.put(headKey('t', 'head'), head)
      await db.del(headKey('t', 'headless'))
      await db.del(recordKey('t', 'cut', 3))
    })
    const tenant = (await harness.open()).tenant('t')
    for (const workflow of ['head', 'headless', 'cut']) {
      expect(await rejection(tenant.head(workflow))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    }
    await tenant.append(good.next())
    expect(await recordsOf((await harness.open()).tenant('t').read('good', 1, ALL))).toStrictEqual(
      good.records,
    )
  })

  test('[DUR-4] a change under the right key that is not the one that was sealed is not passed over', async () => {
    const maker = await written(await harness.open(), 't', 'w', 5)
    const other = await LevelHarness.make()
    await written(await other.open(), 't', 'w', 5)
    const foreign = await other.raw(async db => (await db.get(recordKey('t', 'w', 3)))!)
    await other.discard()
    await harness.raw(db => db.put(recordKey('t', 'w', 3), foreign))
    const tenant = (await harness.open()).tenant('t')
    expect(await tenant.read('w', 1, ALL)).toHaveLength(5)
    expect(await rejection(collect(wholeLog(tenant, 'w', sha256)))).toMatchObject({
      code: 'WEFT_STORE_CORRUPT',
      details: { workflow: 'w' },
    })
    expect(maker.records).toHaveLength(5)
  })

  test.each<[string, (file: string) => Promise<void>]>([
    ['is gone', file => rm(file)],
    ['is empty', file => truncate(file)],
    ['is all zeros', file => writeFile(file, Buffer.alloc(8_192))],
  ])('[DUR-4] a store whose seal file %s does not pass for whole', async (_, damage) => {
    await written(await harness.open(), 't', 'w', 3)
    await harness.close()
    await damage(sealFile())
    expect(await rejection(harness.open())).toMatchObject(LOST)
    await (await harness.open({ onLoss: 'accept' })).tenant('t').remove('w')
    await harness.open()
  })

  test.each([0, 4_096])('[DUR-4] one slot of the seal file is enough (zeroed: the one at %s)', async at => {
    await written(await harness.open(), 't', 'w', 3)
    await harness.close()
    const bytes = await readFile(sealFile())
    bytes.fill(0, at, at + 4_096)
    await writeFile(sealFile(), bytes)
    await harness.open()
  })

  test('[DUR-4] the seal in LevelDB, damaged or gone, does not pass for whole', async () => {
    await written(await harness.open(), 't', 'w', 3)
    const sound = await harness.raw(async db => (await db.get('!seal'))!)
    await harness.raw(db =>
      db.put(
        '!seal',
        sound.map((byte, index) => (index === 50 ? byte ^ 1 : byte)),
      ),
    )
    expect(await rejection(harness.open())).toMatchObject(LOST)
    await harness.raw(db => db.del('!seal'))
    expect(await rejection(harness.open())).toMatchObject(LOST)
    await harness.raw(db => db.put('!seal', sound))
    await harness.open()
  })

  test('[DUR-4] a store that is empty where its file knows of commits is not taken for a new one', async () => {
    await written(await harness.open(), 't', 'w', 3)
    await harness.close()
    const seal = await readFile(sealFile())
    await rm(harness.directory, { recursive: true })
    await harness.open()
    await harness.close()
    await writeFile(sealFile(), seal)
    expect(await rejection(harness.open())).toMatchObject(LOST)
  })

  test('[DUR-1] a process that is killed at any moment leaves a store that opens', async () => {
    const store = await harness.open()
    const maker = new LogMaker('w')
    const copies: LevelHarness[] = []
    for (let n = 0; n < 20; n++) {
      const append = store.tenant('t').append(maker.next())
      if (n % 4 === 0) copies.push(await harness.killed())
      await append
    }
    for (const copy of copies) {
      await (await openLevelStore(copy.directory)).close()
      await copy.discard()
    }
    expect(copies).toHaveLength(5)
  })

  test('[DUR-1] a power cut that takes back all but what was synced leaves a store that opens', async () => {
    const disk = new Disk()
    let synced: Buffer | undefined
    disk.fault = async write => {
      // Nothing is committed yet, and what the file says was synced when it was made.
      synced ??= await readFile(sealFile())
      await write()
    }
    await written(await harness.open({ database: disk.database }), 't', 'w', 5)
    const left = await harness.killed()
    await writeFile(join(left.directory, 'weft.seal'), synced!)
    const store = await left.open()
    expect(await store.tenant('t').read('w', 1, ALL)).toHaveLength(5)
    await left.discard()
  })

  test('[DUR-1] a power cut before the first commit leaves a directory for a new store', async () => {
    const disk = new Disk()
    disk.fault = () => Promise.reject(new Error('power cut'))
    await rejection(harness.open({ database: disk.database }))
    await written(await harness.open(), 't', 'w', 1)
    await harness.open()
  })
})
