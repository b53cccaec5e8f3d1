import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BranchWriter,
  ChangeSet,
  ERASURES_BRANCH,
  erasedLog,
  erasureOf,
  type LogAppend,
  type LogRecord,
  type Store,
} from '@weft/core'
import type { Database } from '@weft/store-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { host } from '../support/host.ts'
import { LogMaker, recordsOf } from './log-maker.ts'
import { LevelHarness, masterIn, rawDatabase, recordKey } from './level-harness.ts'

/** Random, so that LevelDB's compression leaves it as it is. */
const CANARY = 'Zq8vX2mK7pLw4RtY9sNb3HdF6jGc1aQe'
const ERASED = 3

let level: LevelHarness

beforeEach(async () => {
  level = await LevelHarness.make()
})

afterEach(() => level.discard())

/** The appends of a log whose third change holds the canary, and the one that erases that. */
function erasedContext(count: number): { appends: LogAppend[]; erasing: LogAppend } {
  const set = new ChangeSet(host.hash)
  const writer = new BranchWriter(set, host, 'main', 'agent')
  const records: LogRecord[] = []
  for (let position = 1; position <= count; position++) {
    const text = position === ERASED ? CANARY : `message ${position} ${'.'.repeat(200)}`
    const { id, bytes } = writer.write({ entries: [{ kind: 'message', value: { text } }] })!
    records.push({ position, id, bytes })
  }
  const last = records.at(-1)!
  const eraser = new BranchWriter(set, host, ERASURES_BRANCH, 'admin')
  const node = set.dag.node(records[ERASED - 1]!.id)
  const { id, bytes } = eraser.write({ ...erasureOf(set, [node], undefined, host.hash), at: [] })!
  const all = [...records, { position: count + 1, id, bytes }]
  const rewritten = [erasedLog(all, host.hash).records[ERASED - 1]!]
  return {
    appends: records.map(record => ({
      records: [record],
      head: { workflow: 'w', count: record.position, heads: [record.id] },
    })),
    erasing: {
      records: [all.at(-1)!],
      head: { workflow: 'w', count: count + 1, heads: [last.id, id] },
      rewritten,
    },
  }
}

async function filesWith(directory: string, text: string): Promise<string[]> {
  const found = await Promise.all(
    (await readdir(directory)).map(async name => {
      const bytes = await readFile(join(directory, name)).catch(() => Buffer.alloc(0))
      return bytes.includes(text) ? [name] : []
    }),
  )
  return found.flat()
}

async function untilGone(directory: string): Promise<void> {
  while ((await filesWith(directory, CANARY)).length > 0)
    await new Promise(resolve => setTimeout(resolve, 10))
}

/** All tables anew, as LevelDB does it by itself in a store that has seen some work. */
async function compacted(directory: string): Promise<void> {
  const db = rawDatabase(directory)
  await db.open()
  await (db as Database & { compactRange(from: string, to: string): Promise<void> }).compactRange('', '\x7f')
  await db.close()
}

async function append(store: Store, appends: readonly LogAppend[]): Promise<void> {
  for (const each of appends) await store.tenant('acme').append(each)
}

describe.each([
  ['in the journal', 0],
  ['in a table', 1],
  ['in a table of a lower level', 2],
])('[ERA-1] an old value that lies %s', (_, compactions) => {
  test('leaves the files of a store that goes on', async () => {
    const { appends, erasing } = erasedContext(300)
    let store = await level.open()
    await append(store, appends.slice(0, 150))
    for (let round = 0; round < compactions; round++) {
      await level.close()
      await compacted(level.directory)
      store = await level.open()
      await append(store, appends.slice(150 + round * 50, 200 + round * 50))
    }
    await append(store, appends.slice(150 + compactions * 50))
    expect(await filesWith(level.directory, CANARY)).not.toEqual([])
    await append(store, [erasing])
    const [record] = await recordsOf(store.tenant('acme').read('w', ERASED, 1))
    expect(record).toEqual(erasing.rewritten![0])
    await untilGone(level.directory)
    expect(await store.tenant('acme').read('w', 1, 10_000_000)).toHaveLength(301)
    await level.close()
    expect(await filesWith(level.directory, CANARY)).toEqual([])
  })
})

test('[ERA-1] what somebody reads who began before it was erased leaves the files when they have read', async () => {
  const { appends, erasing } = erasedContext(300)
  const other = new LogMaker('other')
  const store = await level.open()
  await append(store, [...appends.slice(0, 200), other.next()])
  await level.close()
  await compacted(level.directory)
  const tenant = (await level.open()).tenant('acme')
  for (const each of appends.slice(200)) await tenant.append(each)
  const heads = tenant.heads()[Symbol.asyncIterator]()
  await heads.next()
  await tenant.append(erasing)
  // Long enough for all that does not wait for the reader.
  await new Promise(resolve => setTimeout(resolve, 500))
  expect(await filesWith(level.directory, CANARY)).not.toEqual([])
  while (!(await heads.next()).done);
  await untilGone(level.directory)
})

test('[ERA-1] in a store that is encrypted a record is written over under its key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-keys-'))
  const encrypted = await LevelHarness.make(await masterIn(folder))
  const { appends, erasing } = erasedContext(20)
  await append(await encrypted.open(), [...appends, erasing])
  for (let opening = 0; opening < 2; opening++) {
    const store = await encrypted.open()
    expect(await recordsOf(store.tenant('acme').read('w', ERASED, 1))).toEqual(erasing.rewritten)
    expect(await store.tenant('acme').read('w', 1, 10_000_000)).toHaveLength(21)
  }
  expect(await filesWith(encrypted.directory, CANARY)).toEqual([])
  await encrypted.discard()
  await rm(folder, { recursive: true })
})

test('[ERA-1] what a killed process has not brought off the disk is brought off it at the next opening', async () => {
  const { appends, erasing } = erasedContext(20)
  const store = await level.open({ database: withoutCompaction })
  await append(store, [...appends, erasing])
  const killed = await level.killed()
  await level.close()
  for (const harness of [killed, level]) {
    expect(await filesWith(harness.directory, CANARY)).not.toEqual([])
    const opened = await harness.open()
    expect(await recordsOf(opened.tenant('acme').read('w', ERASED, 1))).toEqual(erasing.rewritten)
    await untilGone(harness.directory)
    // A store that is closed before it has done all goes on at the next opening.
    while (await isMarked(harness)) await harness.open()
  }
  await killed.discard()
})

test('[ERA-1] a mark of an erasure that is damaged has everything written anew', async () => {
  const { appends, erasing } = erasedContext(5)
  await append(await level.open({ database: withoutCompaction }), [...appends, erasing])
  await level.raw(async db => {
    const key = recordKey('acme', 'w', ERASED)
    await db.batch([
      { type: 'del', key: `!erasing\0${key}\0\0${key}` },
      { type: 'put', key: '!erasing\0no', value: new Uint8Array() },
    ])
  })
  await level.open()
  await untilGone(level.directory)
})

test('a record that is written over must be in the log already', async () => {
  const { appends, erasing } = erasedContext(5)
  const store = await level.open()
  await append(store, appends)
  const early = { ...erasing, rewritten: [{ ...erasing.rewritten![0]!, position: 6 }] }
  await expect(store.tenant('acme').append(early)).rejects.toMatchObject({ code: 'WEFT_INTERNAL' })
  expect(await store.tenant('acme').head('w')).toMatchObject({ count: 5 })
})

async function isMarked(harness: LevelHarness): Promise<boolean> {
  await new Promise(resolve => setTimeout(resolve, 50))
  return harness.raw(async db => (await db.keys({ gte: '!erasing', lt: '!f' }).all()).length > 0)
}

/** As of a process that dies before it comes to compact anything. */
function withoutCompaction(directory: string): Database {
  const db = rawDatabase(directory)
  return Object.assign(db, {
    compactRange: () => Promise.reject(new Error('the process dies here')),
  })
}
