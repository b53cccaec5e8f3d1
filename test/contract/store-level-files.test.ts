import { execFile } from 'node:child_process'
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { openLevelStore } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { headKey, LevelHarness, recordKey } from './level-harness.ts'
import { collect, LogMaker, written } from './log-maker.ts'
import { rejection, rejections } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER

describe('LevelDB store: the directory and what is in it', () => {
  let harness: LevelHarness

  beforeEach(async () => {
    harness = await LevelHarness.make()
  })

  afterEach(() => harness.discard())

  describe('opening', () => {
    test('a directory that is in use is refused, within a process and across', async () => {
      const store = await harness.open()
      expect(await rejection(openLevelStore(harness.directory))).toMatchObject({
        code: 'WEFT_STORE_LOCKED',
        details: { directory: harness.directory },
      })
      await rejection(openLevelStore(join(harness.directory, '.', '..', 'store')))
      const script = `import { openLevelStore } from '@weft/store-level'
        await openLevelStore(process.argv[1]).catch(error => console.log(error.code))`
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...['--input-type=module', '--eval', script],
        harness.directory,
      ])
      expect(stdout).toBe('WEFT_STORE_LOCKED\n')
      await written(store, 't', 'w', 1)
    })

    test('a file in place of the directory is refused', async () => {
      await mkdir(dirname(harness.directory), { recursive: true })
      await writeFile(harness.directory, 'not a directory')
      for (const directory of [harness.directory, join(harness.directory, 'below')]) {
        expect(await rejection(openLevelStore(directory))).toMatchObject({
          code: 'WEFT_STORE_FAILED',
          details: { directory },
        })
      }
    })

    test('a store of another version is refused, and left as it is', async () => {
      await harness.open()
      await harness.raw(db => db.put('!format', Buffer.from('weft-store 3')))
      expect(await rejection(harness.open())).toMatchObject({
        code: 'WEFT_STORE_VERSION',
        details: { found: 3, supported: 2 },
      })
      await harness.raw(db => db.put('!format', Buffer.from('weft-store 2')))
      await harness.open()
    })

    test('[DUR-4] a version that cannot be read is damage', async () => {
      await harness.open()
      for (const text of ['', 'weft-store', 'weft-store 01', 'weft-stnre 1']) {
        await harness.raw(db => db.put('!format', Buffer.from(text)))
        expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      }
    })

    test("another program's LevelDB is not taken for a store", async () => {
      await harness.raw(db => db.put('key', Buffer.from('value')))
      expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await harness.raw(db => db.keys().all())).toEqual(['key'])
    })

    test('[DUR-4] a store that LevelDB opens as empty is not taken for a new one', async () => {
      await written(await harness.open(), 't', 'w', 3)
      await harness.close()
      const manifest = (await readdir(harness.directory)).find(name => name.startsWith('MANIFEST'))!
      await truncate(join(harness.directory, manifest))
      expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    })

    test('a store whose making was cut short is made anew', async () => {
      await harness.raw(async () => {})
      const store = await harness.open()
      await written(store, 't', 'w', 1)
    })
  })

  describe('keys', () => {
    test('[TEN-2] the tenant is the first part of every key but the store’s own', async () => {
      const store = await harness.open()
      await written(store, 'a', 'w', 2)
      await written(store, 'a-b', 'w', 1)
      expect(await harness.raw(db => db.keys().all())).toEqual([
        '!format',
        '!seal',
        '!usage\0a',
        '!usage\0a-b',
        headKey('a', 'w'),
        recordKey('a', 'w', 1),
        recordKey('a', 'w', 2),
        headKey('a-b', 'w'),
        recordKey('a-b', 'w', 1),
      ])
    })

    test('a tenant that wrote before stores counted, or whose count is damaged, is taken to store about what it does', async () => {
      const maker = new LogMaker('w')
      await (await harness.open()).tenant('a').append(maker.next(200, 5_000))
      const exact = maker.records.reduce((sum, { bytes }) => sum + bytes.length, 0)
      for (const spoil of [
        () => harness.raw(db => db.del('!usage\0a')),
        () => harness.raw(db => db.put('!usage\0a', Buffer.from('x'))),
      ]) {
        await spoil()
        const store = await harness.open()
        const { bytes, contexts } = await store.tenant('a').usage()
        expect(contexts).toBe(1)
        expect(bytes).toBeGreaterThan(0)
        expect(bytes).toBeLessThan(2 * exact)
        const more = maker.next()
        await store.tenant('a').append(more)
        expect((await store.tenant('a').usage()).bytes).toBe(bytes + more.records[0]!.bytes.length)
      }
    })

    test('[DUR-4] a key that Weft never wrote is reported, not guessed at', async () => {
      await written(await harness.open(), 'b', 'w', 1)
      await harness.raw(db => db.put('a/b', Buffer.from('x')))
      const store = await harness.open()
      expect(await rejection(collect(store.tenants()))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await store.tenant('b').read('w', 1, ALL)).toHaveLength(1)
    })
  })

  describe('damage', () => {
    /** Copies a value to another key, as a damaged key would. */
    async function move(from: string, to: string): Promise<void> {
      await harness.raw(async db => db.put(to, (await db.get(from))!))
    }

    test('[DUR-4] bits all over a record and a head are watched over', async () => {
      await written(await harness.open(), 't', 'w', 1)
      for (const key of [recordKey('t', 'w', 1), headKey('t', 'w')]) {
        const sound = await harness.raw(async db => (await db.get(key))!)
        for (let at = 0; at < sound.length; at += 7) {
          const damaged = Uint8Array.from(sound)
          damaged[at]! ^= 1 << (at % 8)
          await harness.raw(db => db.put(key, damaged))
          const store = await harness.open()
          expect(await rejection(store.tenant('t').read('w', 1, ALL))).toMatchObject({
            code: 'WEFT_STORE_CORRUPT',
          })
        }
        await harness.raw(db => db.put(key, sound))
      }
    }, 120_000)

    test('[DUR-4] a record that is cut off is damage', async () => {
      await written(await harness.open(), 't', 'w', 1)
      const key = recordKey('t', 'w', 1)
      const sound = await harness.raw(async db => (await db.get(key))!)
      for (const length of [0, 10, 36, 37, sound.length - 1]) {
        await harness.raw(db => db.put(key, sound.subarray(0, length)))
        const store = await harness.open()
        expect(await rejection(store.tenant('t').read('w', 1, ALL))).toMatchObject({
          code: 'WEFT_STORE_CORRUPT',
        })
      }
    })

    test('[DUR-4] [TEN-2] a record under the key of another tenant is not served there', async () => {
      const store = await harness.open()
      await written(store, 'a', 'w', 2)
      await written(store, 'b', 'w', 2)
      await move(recordKey('a', 'w', 2), recordKey('b', 'w', 2))
      const after = await harness.open()
      expect(await rejection(after.tenant('b').read('w', 1, ALL))).toMatchObject({
        code: 'WEFT_STORE_CORRUPT',
        details: { tenant: 'b', workflow: 'w', position: 2 },
      })
      expect(await after.tenant('a').read('w', 1, ALL)).toHaveLength(2)
    })

    test('[DUR-4] [TEN-2] a head under the key of another context is not served there', async () => {
      const store = await harness.open()
      await written(store, 'a', 'w', 2)
      await written(store, 'b', 'w', 2)
      await move(headKey('a', 'w'), headKey('b', 'w'))
      const after = await harness.open()
      expect(await rejection(after.tenant('b').head('w'))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await after.tenant('a').head('w')).toBeDefined()
    })

    test('[DUR-4] [TEN-4 drop] a damaged note of a drop removes nobody', async () => {
      await written(await harness.open(), 'a', 'w', 2)
      await harness.raw(db => db.put('!dropping\0a', Buffer.from('b')))
      expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await harness.raw(db => db.keys({ gte: 'a' }).all())).toHaveLength(3)
    })

    test('[DUR-4] records that go on behind the head are not served', async () => {
      const maker = await written(await harness.open(), 't', 'w', 3)
      const old = await harness.raw(async db => (await db.get(headKey('t', 'w')))!)
      const store = await harness.open()
      await store.tenant('t').append(maker.next())
      await harness.raw(db => db.put(headKey('t', 'w'), old))
      const tenant = (await harness.open()).tenant('t')
      const first = tenant.heads()[Symbol.asyncIterator]().next()
      for (const refused of await rejections([tenant.head('w'), tenant.read('w', 1, ALL), first]))
        expect(refused).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    })

    test('[DUR-4] a damaged head does not end the listing', async () => {
      const store = await harness.open()
      for (const workflow of ['a', 'b', 'c']) await written(store, 't', workflow, 2)
      await harness.raw(db => db.put(headKey('t', 'b'), Buffer.from('x')))
      const seen: string[] = []
      const listing = (async () => {
        for await (const { workflow } of (await harness.open()).tenant('t').heads()) seen.push(workflow)
      })()
      expect(await rejection(listing)).toMatchObject({
        code: 'WEFT_STORE_CORRUPT',
        details: { workflows: ['b'] },
      })
      expect(seen).toEqual(['a', 'c'])
    })
  })
})
