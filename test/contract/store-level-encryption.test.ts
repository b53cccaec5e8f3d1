import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { filesHolding } from '../support/raw-files.ts'
import { headKey, LevelHarness, recordKey } from './level-harness.ts'
import { collect, LogMaker, recordsOf, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER
const CORRUPT = { code: 'WEFT_STORE_CORRUPT' }
/** What `LogMaker` writes into every change, and no header says. */
const CANARY = '"text":"....'
const NONCE_BYTES = 12
const CHECKSUM_BYTES = 32

describe('LevelDB store: encrypted values', () => {
  let harness: LevelHarness

  beforeEach(async () => {
    harness = await LevelHarness.makeEncrypted()
  })

  afterEach(() => harness.discard())

  const keyFile = (tenant: string) =>
    join(harness.directory, 'keys', createHash('sha256').update(tenant).digest('hex'))

  async function damagedWorkflows(tenant: string): Promise<unknown> {
    const store = await harness.open()
    return (await rejection(collect(store.tenant(tenant).heads()))).details
  }

  test('[TEN-4] no file holds a byte of content; those of a plain store do', async () => {
    const plain = await LevelHarness.make()
    for (const each of [harness, plain]) {
      for (const tenant of ['a', 'b']) await written(await each.open(), tenant, 'w', 3)
      // What was in the journal is in a table then, too.
      await each.open()
      await written(await each.open(), 'a', 'late', 1)
      await each.close()
    }
    expect(await filesHolding(plain.directory, CANARY)).not.toEqual([])
    expect(await filesHolding(harness.directory, CANARY)).toEqual([])
    expect((await filesHolding(harness.directory, headKey('a', 'w'))).length).toBeGreaterThan(0)
    await plain.discard()
  })

  test('[DUR-4] bits all over an encrypted record and head are watched over', async () => {
    await written(await harness.open(), 't', 'w', 1)
    for (const key of [recordKey('t', 'w', 1), headKey('t', 'w')]) {
      const sound = await harness.raw(async db => (await db.get(key))!)
      for (let at = 0; at < sound.length; at += 9) {
        const damaged = Uint8Array.from(sound)
        damaged[at]! ^= 1 << (at % 8)
        await harness.raw(db => db.put(key, damaged))
        expect(await rejection((await harness.open()).tenant('t').read('w', 1, ALL))).toMatchObject(CORRUPT)
      }
      for (const length of [0, 12, 27, 28, 32, 59, sound.length - 1]) {
        await harness.raw(db => db.put(key, sound.subarray(0, length)))
        expect(await rejection((await harness.open()).tenant('t').read('w', 1, ALL))).toMatchObject(CORRUPT)
      }
      await harness.raw(db => db.put(key, sound))
    }
    expect(await (await harness.open()).tenant('t').read('w', 1, ALL)).toHaveLength(1)
  }, 120_000)

  test.each([
    ['another position', recordKey('a', 'w', 2)],
    ['another context', recordKey('a', 'v', 1)],
    ['another tenant', recordKey('b', 'w', 1)],
  ])('[DUR-4] [TEN-2] a record under the key of %s is not served there', async (_, to) => {
    const store = await harness.open()
    for (const [tenant, workflow] of ['a w', 'a v', 'b w'].map(each => each.split(' ')))
      await written(store, tenant!, workflow!, 2)
    await harness.raw(async db => db.put(to, (await db.get(recordKey('a', 'w', 1)))!))
    const [tenant, , workflow] = to.split('\0') as [string, string, string]
    const after = await harness.open()
    expect(await rejection(after.tenant(tenant).read(workflow, 1, ALL))).toMatchObject({
      ...CORRUPT,
      details: { tenant, workflow },
    })
  })

  test.each<[string, (file: string) => Promise<void>]>([
    ['is gone', file => rm(file)],
    ['is empty', file => writeFile(file, '')],
    [
      'has a flipped bit',
      async file =>
        writeFile(
          file,
          (await readFile(file)).map((byte, at) => (at === 50 ? byte ^ 1 : byte)),
        ),
    ],
    ["is another tenant's", async file => writeFile(file, await readFile(keyFile('b')))],
  ])('[DUR-4] a tenant whose key %s is damaged, others are served, and no key is made', async (_, damage) => {
    const store = await harness.open()
    const lost = await Promise.all(['v', 'w'].map(workflow => written(store, 'a', workflow, 3)))
    const good = await written(store, 'b', 'w', 3)
    await harness.close()
    await rename(keyFile('a'), `${harness.directory}.kept`)
    await writeFile(keyFile('a'), await readFile(`${harness.directory}.kept`))
    await damage(keyFile('a'))

    expect(await damagedWorkflows('a')).toMatchObject({ tenant: 'a', workflows: ['v', 'w'] })
    const tenant = (await harness.open()).tenant('a')
    for (const refused of [
      () => tenant.read('w', 1, ALL),
      () => tenant.append(lost[1]!.next()),
      () => tenant.append(new LogMaker('new').next()),
    ]) {
      expect(await rejection(refused())).toMatchObject({ ...CORRUPT, details: { tenant: 'a' } })
    }
    await (await harness.open()).tenant('b').append(good.next())
    expect(await recordsOf((await harness.open()).tenant('b').read('w', 1, ALL))).toStrictEqual(good.records)

    await harness.close()
    await rename(`${harness.directory}.kept`, keyFile('a'))
    expect(await recordsOf((await harness.open()).tenant('a').read('v', 1, ALL))).toStrictEqual(
      lost[0]!.records,
    )
  })

  test('of a tenant whose key is lost contexts can still be removed', async () => {
    await written(await harness.open(), 'a', 'w', 3)
    await harness.close()
    await rm(keyFile('a'))
    const tenant = (await harness.open()).tenant('a')
    expect(await tenant.remove('w')).toMatchObject({ changes: 3 })
    await written(await harness.open(), 'a', 'w', 2)
    expect(await (await harness.open()).tenant('a').read('w', 1, ALL)).toHaveLength(2)
  })

  test('no two values were sealed under one nonce, however often the store was opened', async () => {
    const maker = new LogMaker('w')
    const nonces = new Set<string>()
    let values = 0
    for (let opening = 0; opening < 4; opening++) {
      const store = await harness.open()
      for (let n = 0; n < 5; n++) await store.tenant('t').append(maker.next(3))
      await harness.raw(async db => {
        for await (const [key, value] of db.iterator({ gte: 't\0', lt: 't\x01' })) {
          const from = key.startsWith('t\0h') ? CHECKSUM_BYTES : 0
          const position = key.startsWith('t\0h') ? Number.NaN : Number.parseInt(key.slice(-14), 16)
          // Those of before were counted before.
          if (position <= opening * 15) continue
          nonces.add(Buffer.from(value.subarray(from, from + NONCE_BYTES)).toString('hex'))
          values++
        }
      })
    }
    expect(values).toBe(4 * 16)
    expect(nonces.size).toBe(values)
  })

  test('tenants whose ids differ in case, or look like paths, have keys of their own', async () => {
    const tenants = ['.', '..', '...', 'A', 'a', 'con', '~', 'x'.repeat(128)]
    const store = await harness.open()
    for (const tenant of tenants) await written(store, tenant, 'w', 1)
    await store.tenant('..').drop()
    const after = await harness.open()
    expect(await collect(after.tenants())).toEqual(tenants.filter(each => each !== '..').sort())
    for (const tenant of tenants.filter(each => each !== '..'))
      expect(await after.tenant(tenant).read('w', 1, ALL)).toHaveLength(1)
  })
})
