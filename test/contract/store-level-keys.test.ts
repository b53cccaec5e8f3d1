import { execFile } from 'node:child_process'
import { chmod, cp, link, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { addMasterKey, checkKeys, openLevelStore, readKeyFile, rewrapKeys } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WatchedKeys } from '../support/key-services.ts'
import { copied, filesIn, fingerprint } from '../support/raw-files.ts'
import { LevelHarness, masterIn } from './level-harness.ts'
import { LogMaker, recordsOf, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER
const KEY = { code: 'WEFT_STORE_KEY' }

describe('LevelDB store: who holds its keys', () => {
  let harness: LevelHarness
  let folder: string
  let keyFile: string

  beforeEach(async () => {
    harness = await LevelHarness.makeEncrypted()
    folder = dirname(dirname(harness.directory))
    keyFile = join(folder, 'weft.keys')
  })

  afterEach(() => harness.discard())

  describe('opening', () => {
    async function refusedAndUnchanged(directory: string, encryption: WatchedKeys | undefined) {
      const before = await fingerprint(directory)
      const refused = await rejection(openLevelStore(directory, encryption ? { encryption } : {}))
      expect(await fingerprint(directory)).toBe(before)
      return refused
    }

    test('without its key, or under another, a store is refused and stays as it was', async () => {
      const maker = await written(await harness.open(), 't', 'w', 3)
      await harness.close()
      expect(await refusedAndUnchanged(harness.directory, undefined)).toMatchObject(KEY)
      const other = new WatchedKeys(await masterIn(folder, 'other.keys'))
      expect(await refusedAndUnchanged(harness.directory, other)).toMatchObject(KEY)
      // Another key under the right name.
      const [, name] = /^(key-\S+)/m.exec(await readFile(keyFile, 'utf8'))!
      await writeFile(join(folder, 'forged.keys'), `${name} ${'ab'.repeat(32)}\n`, { mode: 0o600 })
      const forged = await WatchedKeys.of(join(folder, 'forged.keys'))
      expect(await refusedAndUnchanged(harness.directory, forged)).toMatchObject(KEY)
      expect(await recordsOf((await harness.open()).tenant('t').read('w', 1, ALL))).toStrictEqual(
        maker.records,
      )
    })

    test('a plain store is refused with a key, and stays as it was', async () => {
      const plain = await LevelHarness.make()
      await written(await plain.open(), 't', 'w', 3)
      await plain.close()
      expect(await refusedAndUnchanged(plain.directory, await WatchedKeys.of(keyFile))).toMatchObject(KEY)
      await mkdir(join(plain.directory, 'keys'))
      expect(await refusedAndUnchanged(plain.directory, undefined)).toMatchObject(KEY)
      await rm(join(plain.directory, 'keys'), { recursive: true })
      expect(await (await plain.open()).tenant('t').read('w', 1, ALL)).toHaveLength(3)
      await plain.discard()
    })

    test('[DUR-4] a store whose keys are gone passes neither for a plain nor for a new one', async () => {
      await written(await harness.open(), 't', 'w', 3)
      await harness.close()
      const whole = await copied(harness.directory)
      await rm(join(harness.directory, 'keys'), { recursive: true })
      expect(await rejection(openLevelStore(harness.directory))).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
      expect(await rejection(harness.open())).toMatchObject(KEY)
      // The keys alone are left.
      for (const [name] of await filesIn(whole)) if (!name.startsWith('keys')) await rm(join(whole, name))
      const encryption = await readKeyFile(keyFile)
      expect(await rejection(openLevelStore(whole, { encryption }))).toMatchObject({
        code: 'WEFT_STORE_CORRUPT',
        details: { lost: true },
      })
      await rm(dirname(whole), { recursive: true })
    })

    test.each(['is gone', 'is cut off'])('[DUR-4] a store whose own key %s is damaged', async what => {
      await written(await harness.open(), 't', 'w', 3)
      await harness.close()
      const own = join(harness.directory, 'keys', 'store')
      await (what === 'is gone' ? rm(own) : truncate(own, 40))
      expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    })

    test('who only looks at a store leaves alone what its owner is about to write', async () => {
      const store = await harness.open()
      await written(store, 't', 'w', 1)
      const part = join(harness.directory, 'keys', 'store.part')
      await writeFile(part, 'half')
      await checkKeys(harness.directory, await readKeyFile(keyFile))
      const script = `import { openLevelStore, readKeyFile } from '@weft/store-level'
        const encryption = await readKeyFile(process.argv[2])
        await openLevelStore(process.argv[1], { encryption }).catch(error => console.log(error.code))`
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...['--input-type=module', '--eval', script],
        ...[harness.directory, keyFile],
      ])
      expect(stdout).toBe('WEFT_STORE_LOCKED\n')
      expect(await readFile(part, 'utf8')).toBe('half')
    })

    test('a store whose making was cut short behind its keys is made all the same', async () => {
      await harness.open()
      await harness.close()
      const keys = await copied(join(harness.directory, 'keys'))
      await rm(harness.directory, { recursive: true })
      await mkdir(harness.directory)
      await cp(keys, join(harness.directory, 'keys'), { recursive: true })
      await written(await harness.open(), 't', 'w', 1)
      await rm(dirname(keys), { recursive: true })
    })
  })

  describe('a key service', () => {
    test('that is down for one tenant keeps nobody else from anything, and nothing is lost', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const a = await written(await harness.open(), 'a', 'w', 2)
      const b = await written(await harness.open(), 'b', 'w', 2)
      encryption.down.add('a').add('new')
      const store = await harness.open({ encryption })
      for (const refused of [
        () => store.tenant('a').append(a.next()),
        () => store.tenant('a').read('w', 1, ALL),
        () => store.tenant('new').append(new LogMaker('w').next()),
      ]) {
        expect(await rejection(refused())).toMatchObject(KEY)
      }
      await store.tenant('b').append(b.next())
      encryption.down.clear()
      expect(await recordsOf(store.tenant('a').read('w', 1, ALL))).toStrictEqual(a.records.slice(0, 2))
      await store.tenant('a').append(a.appendOf(2, 3))
      await written(store, 'new', 'w', 1)
      expect(await recordsOf((await harness.open()).tenant('a').read('w', 1, ALL))).toStrictEqual(a.records)
    })

    test('that takes its time holds back its tenant alone, and closing waits for it', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const store = await harness.open({ encryption })
      const known = await written(store, 'known', 'w', 1)
      const release = encryption.hold()
      const maker = new LogMaker('w')
      const appends = Array.from({ length: 3 }, () => store.tenant('slow').append(maker.next()))
      await store.tenant('known').append(known.next())
      const closing = store.close()
      expect(await rejection(store.tenant('known').append(known.next()))).toMatchObject({
        code: 'WEFT_STORE_CLOSED',
      })
      release()
      await Promise.all([closing, ...appends])
      expect(await recordsOf((await harness.open()).tenant('slow').read('w', 1, ALL))).toStrictEqual(
        maker.records,
      )
    })

    test('[TEN-4] a drop comes behind the appends that wait for a key', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const store = await harness.open({ encryption })
      const release = encryption.hold()
      const maker = new LogMaker('w')
      const appends = Array.from({ length: 3 }, () => store.tenant('t').append(maker.next()))
      const drop = store.tenant('t').drop()
      release()
      await Promise.all(appends)
      expect(await drop).toEqual({ workflows: 1, changes: 3 })
    })

    test('that gives back another key than it was given is refused before anything is written', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const store = await harness.open({ encryption })
      const before = await fingerprint(harness.directory)
      for (const key of [new Uint8Array(32), new Uint8Array(16)]) {
        const unwrap = encryption.unwrap
        encryption.unwrap = async () => key
        expect(await rejection(store.tenant('t').append(new LogMaker('w').next()))).toMatchObject(KEY)
        encryption.unwrap = unwrap
      }
      expect(await fingerprint(harness.directory)).toBe(before)
      await written(store, 't', 'w', 1)
    })

    test('that gives no bytes, or throws at once, is refused before anything is written', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const store = await harness.open({ encryption })
      const before = await fingerprint(harness.directory)
      const { wrap } = encryption
      const refusing = () => {
        throw new Error('not now')
      }
      for (const broken of [async () => 'text' as unknown as Uint8Array, refusing]) {
        encryption.wrap = broken
        expect(await rejection(store.tenant('t').append(new LogMaker('w').next()))).toMatchObject(KEY)
      }
      expect(await fingerprint(harness.directory)).toBe(before)
      encryption.wrap = wrap
      await written(store, 't', 'w', 1)
    })

    test('is asked again for keys that were not used lately, and each is overwritten at the end', async () => {
      const encryption = await WatchedKeys.of(keyFile)
      const tenants = ['a', 'b', 'c', 'd']
      for (const tenant of tenants) await written(await harness.open({ encryption }), tenant, 'w', 1)
      const store = await harness.open({ encryption, keys_max: 2 })
      encryption.unwrapped.length = 0
      encryption.handedOut.length = 0
      const read = (tenant: string) => store.tenant(tenant).read('w', 1, ALL)
      for (const tenant of ['a', 'b', 'a', 'c', 'a', 'b', 'd']) expect(await read(tenant)).toHaveLength(1)
      expect(encryption.unwrapped).toEqual(['a', 'b', 'c', 'b', 'd'])
      const last = encryption.handedOut.slice(-2)
      expect(last.every(key => key.some(byte => byte !== 0))).toBe(true)
      await store.tenant('d').drop()
      await store.close()
      expect(last.every(key => key.every(byte => byte === 0))).toBe(true)
    })
  })

  describe('a key file', () => {
    test.each<[string, string]>([
      ['nothing', '\n# no key\n'],
      ['a key that is too short', `a ${'0'.repeat(63)}`],
      ['no name', '0'.repeat(64)],
      ['two keys of one name', `a ${'0'.repeat(64)}\na ${'1'.repeat(64)}`],
    ])('with %s in it is refused, and what stands there is not told', async (_, text) => {
      const path = join(folder, 'bad.keys')
      await writeFile(path, text, { mode: 0o600 })
      const thrown = await readKeyFile(path).then(String, error => error)
      expect(thrown).toMatchObject(KEY)
      expect(JSON.stringify(thrown)).not.toMatch(/[01]{63}/)
    })

    test.each([0o640, 0o604, 0o620])('that others may use is refused (%o)', async mode => {
      await chmod(keyFile, mode)
      expect(await rejection(readKeyFile(keyFile))).toMatchObject(KEY)
      await chmod(keyFile, 0o600)
      await readKeyFile(keyFile)
    })

    test('that is not there, or is no file, is refused; a new one is never written over one', async () => {
      expect(await rejection(readKeyFile(join(folder, 'none')))).toMatchObject(KEY)
      expect(await rejection(readKeyFile(folder))).toMatchObject(KEY)
      const before = await readFile(keyFile, 'utf8')
      expect(await rejection(addMasterKey(keyFile, 'new file'))).toMatchObject(KEY)
      expect(await readFile(keyFile, 'utf8')).toBe(before)
      expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    })

    test('a new master key takes over, and older ones can go when all is wrapped anew', async () => {
      const maker = await written(await harness.open(), 'old', 'w', 2)
      await harness.close()
      const old = await readFile(keyFile, 'utf8')
      await addMasterKey(keyFile, 'present file')
      const both = await readFile(keyFile, 'utf8')
      const [newest] = both.split('\n').filter(line => line.startsWith('key-'))
      expect(old).not.toContain(newest)

      const encryption = await readKeyFile(keyFile)
      await written(await harness.open({ encryption }), 'new', 'w', 1)
      await harness.close()
      const alone = join(folder, 'newest.keys')
      await writeFile(alone, `${newest}\n`, { mode: 0o600 })
      const onlyNewest = await readKeyFile(alone)
      expect(await rejection(harness.open({ encryption: onlyNewest }))).toMatchObject(KEY)

      const before = join(folder, 'before')
      await link(join(harness.directory, 'keys', 'store'), before)
      expect(await rewrapKeys(harness.directory, encryption)).toEqual({ rewrapped: 3, damaged: [] })
      expect((await readFile(before)).every(byte => byte === 0)).toBe(true)
      const store = await harness.open({ encryption: onlyNewest })
      expect(await recordsOf(store.tenant('old').read('w', 1, ALL))).toStrictEqual(maker.records)
      expect(await store.tenant('new').read('w', 1, ALL)).toHaveLength(1)
      await store.tenant('old').append(maker.next())
      // The older master opens nothing any more.
      expect(await rejection(harness.open())).toMatchObject(KEY)
    })
  })
})
