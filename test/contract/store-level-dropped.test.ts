import { createDecipheriv, createHash } from 'node:crypto'
import { cp, link, mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type KeyService, openLevelStore, readKeyFile, salvage } from '@weft/store-level'
import { decode } from 'cborg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { copied, filesHolding, filesIn } from '../support/raw-files.ts'
import { Disk, LevelHarness, rawDatabase } from './level-harness.ts'
import { collect, LogMaker, recordsOf, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER
const CANARY = '"text":"....'
const [NONCE_BYTES, TAG_BYTES, CHECKSUM_BYTES] = [12, 16, 32]

describe('LevelDB store: a tenant that is dropped', () => {
  let harness: LevelHarness
  let master: KeyService
  const copies: string[] = []

  beforeEach(async () => {
    harness = await LevelHarness.makeEncrypted()
    master = await readKeyFile(join(dirname(dirname(harness.directory)), 'weft.keys'))
  })

  afterEach(async () => {
    await harness.discard()
    for (const copy of copies.splice(0)) await rm(dirname(copy), { recursive: true })
  })

  async function copyNow(directory = harness.directory): Promise<string> {
    const copy = await copied(directory)
    copies.push(copy)
    return copy
  }

  const keyName = (tenant: string) => join('keys', createHash('sha256').update(tenant).digest('hex'))
  const hasKey = async (directory: string, tenant: string) => (await filesIn(directory)).has(keyName(tenant))

  /** What can be read of a tenant in a directory by whoever has the master and what lies in `keys`. */
  async function readable(directory: string, tenant: string): Promise<number> {
    let records = 0
    for await (const found of salvage(directory, new Set(), master)) {
      if ('context' in found && found.context.tenant === tenant) records += found.context.records.length
    }
    return records
  }

  test('[TEN-4] old files of a dropped tenant open under no key that is left; before they did', async () => {
    const store = await harness.open()
    const kept = await written(store, 'kept', 'w', 5)
    for (const workflow of ['v', 'w']) await written(store, 'gone', workflow, 5)
    const old = await copyNow()
    // Another name of the same file shows what is done to it before it goes.
    const aside = `${harness.directory}.aside`
    await link(join(harness.directory, keyName('gone')), aside)
    expect(await store.tenant('gone').drop()).toEqual({ workflows: 2, changes: 10 })
    expect((await readFile(aside)).every(byte => byte === 0)).toBe(true)
    await harness.close()

    expect(await hasKey(harness.directory, 'gone')).toBe(false)
    expect(await readable(harness.directory, 'gone')).toBe(0)
    expect(await readable(harness.directory, 'kept')).toBe(5)
    // The old tables and journals, and all that the directory holds after the drop.
    const rest = await copyNow(old)
    await rm(join(rest, 'keys'), { recursive: true })
    await cp(join(harness.directory, 'keys'), join(rest, 'keys'), { recursive: true })
    expect(await filesHolding(rest, CANARY)).toEqual([])
    expect(await readable(rest, 'gone')).toBe(0)
    expect(await readable(rest, 'kept')).toBe(5)
    expect(await opened(rest, await keysIn(rest))).toEqual([['kept', 6]])

    // With the key that was destroyed all of it was there.
    expect(await readable(old, 'gone')).toBe(10)
    expect(await opened(old, await keysIn(old))).toEqual([
      ['gone', 12],
      ['kept', 6],
    ])
    expect(await recordsOf((await harness.open()).tenant('kept').read('w', 1, ALL))).toStrictEqual(
      kept.records,
    )
  })

  test('[TEN-4] the files of a plain store tell what was dropped, to whoever reads them', async () => {
    const plain = await LevelHarness.make()
    const store = await plain.open()
    await written(store, 'gone', 'w', 5)
    await store.tenant('gone').drop()
    await plain.close()
    expect(await filesHolding(plain.directory, CANARY)).not.toEqual([])
    await plain.discard()
  })

  test('[TEN-4] a tenant that comes back has a new key, and the old one opens nothing of it', async () => {
    const store = await harness.open()
    await written(store, 't', 'w', 3)
    const old = await copyNow()
    await store.tenant('t').drop()
    const maker = await written(store, 't', 'w', 4)
    const mixed = await copyNow()
    await cp(join(old, keyName('t')), join(mixed, keyName('t')))
    expect(await readable(mixed, 't')).toBe(0)
    expect(await recordsOf((await harness.open()).tenant('t').read('w', 1, ALL))).toStrictEqual(maker.records)
  })

  test('[TEN-4] a drop that is cut short anywhere leaves all of the tenant, or nothing and no key', async () => {
    const disk = new Disk()
    const store = await harness.open({ database: disk.database })
    const gone = await written(store, 'gone', 'w', 3)
    const kept = await written(store, 'kept', 'w', 3)
    const moments: string[] = []
    disk.fault = async write => {
      moments.push(await copyNow())
      await write()
      moments.push(await copyNow())
    }
    await store.tenant('gone').drop()
    disk.fault = undefined
    // Before and behind: that it begins, that it is removed, that it is done.
    expect(moments).toHaveLength(6)
    expect(await Promise.all(moments.map(moment => hasKey(moment, 'gone')))).toEqual([
      ...[true, true],
      ...[false, false, false, false],
    ])
    const overwritten = await copyNow(moments[1])
    await writeFile(join(overwritten, keyName('gone')), Buffer.alloc(150))
    for (const moment of [...moments, overwritten]) {
      const after = await openLevelStore(moment, { encryption: master })
      const left = moment === moments[0] ? gone.records : []
      expect(await recordsOf(after.tenant('gone').read('w', 1, ALL))).toStrictEqual(left)
      expect(await collect(after.tenants())).toEqual(left.length > 0 ? ['gone', 'kept'] : ['kept'])
      expect(await recordsOf(after.tenant('kept').read('w', 1, ALL))).toStrictEqual(kept.records)
      expect(await hasKey(moment, 'gone')).toBe(left.length > 0)
      await written(after, left.length > 0 ? 'new' : 'gone', 'v', 1)
      await after.close()
    }
  })

  test('[TEN-4] what a drop is to leave lies under a key of its own, whenever the process dies', async () => {
    const disk = new Disk()
    const store = await harness.open({ database: disk.database })
    await written(store, 'gone', 'w', 3)
    const old = await readFile(join(harness.directory, keyName('gone')))
    const left = new LogMaker('@overlays')
    const leaving = left.next()
    const moments: string[] = []
    disk.fault = async write => {
      await write()
      moments.push(await copyNow())
    }
    await store.tenant('gone').drop(() => leaving)
    disk.fault = undefined
    // That it begins, that it is removed, and that what is left is there.
    expect(moments).toHaveLength(3)
    for (const [index, moment] of moments.entries()) {
      const after = await openLevelStore(moment, { encryption: master })
      expect(after.unfinishedDrops).toEqual(index === 2 ? [] : ['gone'])
      if (index < 2) await after.tenant('gone').drop(() => leaving)
      expect(await collect(after.tenant('gone').heads())).toEqual([left.headAt()])
      expect(await recordsOf(after.tenant('gone').read('@overlays', 1, ALL))).toStrictEqual(left.records)
      await after.close()
      expect((await readFile(join(moment, keyName('gone')))).equals(old)).toBe(false)
    }
  })

  test('[TEN-4] a drop whose key cannot be destroyed is not told of as done, and is finished later', async () => {
    const store = await harness.open()
    await written(store, 't', 'w', 3)
    const path = join(harness.directory, keyName('t'))
    await rm(path)
    await mkdir(path)
    const refused = await rejection(store.tenant('t').drop())
    expect(refused).toMatchObject({ code: 'WEFT_STORE_FAILED' })
    expect(await rejection(store.tenant('t').read('w', 1, ALL))).toMatchObject({ code: 'WEFT_STORE_CLOSED' })
    expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_FAILED' })
    await rmdir(path)
    expect(await collect((await harness.open()).tenants())).toEqual([])
  })

  test('[DUR-1] a process that dies between the key of a tenant and its first record leaves no harm', async () => {
    const disk = new Disk()
    const store = await harness.open({ database: disk.database })
    let dead = ''
    disk.fault = async write => {
      dead = await copyNow()
      await write()
    }
    await store.tenant('t').append(new LogMaker('w').next())
    expect(await hasKey(dead, 't')).toBe(true)
    const key = await readFile(join(dead, keyName('t')))
    const after = await openLevelStore(dead, { encryption: master })
    expect(await collect(after.tenants())).toEqual([])
    await written(after, 't', 'w', 2)
    await after.close()
    expect((await readFile(join(dead, keyName('t')))).equals(key)).toBe(true)
    expect(await readable(dead, 't')).toBe(2)
  })

  test('[DUR-1] a process that dies while it writes a key leaves nothing that is in the way', async () => {
    await written(await harness.open(), 't', 'w', 2)
    await harness.close()
    await writeFile(join(harness.directory, `${keyName('u')}.part`), 'half')
    const store = await harness.open()
    expect([...(await filesIn(harness.directory)).keys()].filter(name => name.endsWith('.part'))).toEqual([])
    await written(store, 'u', 'w', 1)
  })

  /** Every data key that the master opens in a directory, spelled a second time. */
  async function keysIn(directory: string): Promise<Uint8Array[]> {
    const files = [...(await filesIn(directory))].filter(([name]) => name.startsWith('keys'))
    const keys = files.map(([, content]) => {
      const { context, wrapped } = decode(content.subarray(CHECKSUM_BYTES)) as {
        context: string
        wrapped: Uint8Array
      }
      return master.unwrap(wrapped, context)
    })
    return Promise.all(keys)
  }

  /** How many values of each tenant open under any of these keys, row by row, whatever the store thinks of them. */
  async function opened(directory: string, keys: readonly Uint8Array[]): Promise<[string, number][]> {
    const counts = new Map<string, number>()
    const db = rawDatabase(await copyNow(directory))
    await db.open()
    for await (const [key, value] of db.iterator({ gte: '"' })) {
      const isOpen = keys.some(dataKey => opens(dataKey, key, value))
      const [tenant] = key.split('\0') as [string]
      if (isOpen) counts.set(tenant, (counts.get(tenant) ?? 0) + 1)
    }
    await db.close()
    return [...counts]
  }
})

function opens(dataKey: Uint8Array, key: string, value: Uint8Array): boolean {
  const from = key.includes('\0h\0') ? CHECKSUM_BYTES : 0
  const to = value.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', dataKey, value.subarray(from, from + NONCE_BYTES))
  decipher.setAAD(Buffer.from(key))
  decipher.setAuthTag(value.subarray(to))
  decipher.update(value.subarray(from + NONCE_BYTES, to))
  try {
    decipher.final()
    return true
  } catch {
    return false
  }
}
