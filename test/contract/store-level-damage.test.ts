import { appendFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { checkFiles } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededDice } from '../support/core-property.ts'
import { LevelHarness } from './level-harness.ts'
import { LogMaker, written } from './log-maker.ts'
import { rejection } from './store-rejection.ts'

const ALL = Number.MAX_SAFE_INTEGER
const JOURNAL = /^\d+\.log$/
const TABLE = /\.ldb$/
const MANIFEST = /^MANIFEST/

describe('LevelDB store: the files, by their own checksums', () => {
  let harness: LevelHarness

  beforeEach(async () => {
    harness = await LevelHarness.make()
    const store = await harness.open()
    // So many that a table and the journal have several blocks.
    for (const workflow of ['a', 'b']) await store.tenant('t').append(many(workflow, 200))
    await harness.raw(db => compact(db))
    for (const workflow of ['c', 'd']) {
      await (await harness.open()).tenant('t').append(many(workflow, 200))
    }
    await harness.close()
  })

  afterEach(() => harness.discard())

  async function fileOf(kind: RegExp): Promise<string> {
    const names = (await readdir(harness.directory)).filter(name => kind.test(name))
    const sizes = await Promise.all(
      names.map(async name => ({ name, size: (await readFile(join(harness.directory, name))).length })),
    )
    return join(harness.directory, sizes.sort((a, b) => b.size - a.size)[0]!.name)
  }

  async function damaged(): Promise<string[]> {
    const found: string[] = []
    for await (const { file, damage } of checkFiles(harness.directory))
      if (damage.length > 0) found.push(file)
    return found
  }

  test('[DUR-4] of a sound store every checksum holds', async () => {
    const kinds: number[] = [0, 0, 0]
    for await (const { file, damage, bytes } of checkFiles(harness.directory)) {
      expect([file, damage]).toEqual([file, []])
      const kind = [JOURNAL, TABLE, MANIFEST].findIndex(pattern => pattern.test(file))
      kinds[kind]! += bytes
    }
    expect(Math.min(...kinds)).toBeGreaterThan(0)
  })

  test('[DUR-4] every flipped bit of a table is found', async () => {
    const path = await fileOf(TABLE)
    const sound = await readFile(path)
    const dice = seededDice(7)
    const missed: number[] = []
    for (let n = 0; n < 300; n++) {
      const at = n < 100 ? sound.length - 1 - n : dice(sound.length)
      const bytes = Buffer.from(sound)
      bytes[at]! ^= 1 << dice(8)
      await writeFile(path, bytes)
      if ((await damaged()).length === 0) missed.push(sound.length - at)
    }
    // The footer has 40 bytes for two handles, and what these leave over means nothing.
    expect(missed.filter(fromEnd => fromEnd <= 8 || fromEnd > 48)).toEqual([])
    expect(missed.length).toBeLessThan(40)
  })

  test.each([
    ['journal', JOURNAL],
    ['manifest', MANIFEST],
  ])('[DUR-4] damage of a %s that something sound follows keeps the store from opening', async (_, kind) => {
    const path = await fileOf(kind)
    const bytes = await readFile(path)
    bytes[12]! ^= 1
    await writeFile(path, bytes)
    expect(await damaged()).toHaveLength(1)
    const before = (await readdir(harness.directory)).filter(name => !name.startsWith('LOG'))
    expect(await rejection(harness.open())).toMatchObject({
      code: 'WEFT_STORE_CORRUPT',
      details: { lost: true },
    })
    expect((await readdir(harness.directory)).filter(name => !name.startsWith('LOG'))).toEqual(before)
  })

  test('[DUR-1] a table that a crash cut short, which no manifest names, is no damage', async () => {
    const path = await fileOf(TABLE)
    const table = await readFile(path)
    await writeFile(join(harness.directory, '009999.ldb'), table.subarray(0, table.length >> 1))
    expect(await damaged()).toEqual([])
    await truncate(path, table.length >> 1)
    expect(await damaged()).toEqual([basename(path)])
  })

  test('[DUR-4] where the manifest cannot be read, every table is looked at', async () => {
    const path = await fileOf(TABLE)
    await writeFile(join(harness.directory, '009999.ldb'), 'half a table')
    const manifest = await fileOf(MANIFEST)
    const bytes = await readFile(manifest)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(manifest, bytes)
    await truncate(path, 10)
    expect(await damaged()).toEqual(expect.arrayContaining([basename(path), '009999.ldb']))
  })

  test('[DUR-1] what a crash leaves at the end of a journal is no damage', async () => {
    const path = await fileOf(JOURNAL)
    for (const rest of [
      Buffer.alloc(5_000),
      Buffer.from([1, 2, 3]),
      Buffer.from('12345678\x01half a record'),
    ]) {
      await appendFile(path, rest)
      expect(await damaged()).toEqual([])
    }
    const store = await harness.open()
    expect(await store.tenant('t').read('d', 1, ALL)).toHaveLength(200)
    await written(store, 't', 'e', 1)
  })

  test('[DUR-4] a journal that is cut off, or gone, is missed by the seal', async () => {
    const path = await fileOf(JOURNAL)
    const { length } = await readFile(path)
    await truncate(path, length - 40_000)
    expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
    await rm(path, { force: true })
    expect(await rejection(harness.open())).toMatchObject({ code: 'WEFT_STORE_CORRUPT' })
  })

  test('[DUR-4] without its file CURRENT a store is not made anew over its data', async () => {
    await rm(join(harness.directory, 'CURRENT'))
    const before = await readdir(harness.directory)
    expect(await rejection(harness.open())).toMatchObject({
      code: 'WEFT_STORE_CORRUPT',
      details: { lost: true },
    })
    expect(await readdir(harness.directory)).toEqual(before)
  })
})

function many(workflow: string, count: number) {
  const maker = new LogMaker(workflow)
  return maker.next(count, 500)
}

function compact(db: unknown): Promise<void> {
  return (db as { compactRange(start: string, end: string): Promise<void> }).compactRange('', '\x7f')
}
