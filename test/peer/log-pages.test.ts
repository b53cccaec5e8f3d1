import type { LogRecord, Position } from '@weft/core'
import { LogPages, PageCache, sizeOfPage } from '@weft/peer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { comesUp, holdsAsync } from '../support/core-property.ts'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { Research } from '../support/replica-contexts.ts'

const CACHE_BYTES = 3_000
const PAGE_BYTES = 700
const LOG_MAX = 40

/** A log that is read as a store is: a snapshot of it, which may be long in coming. */
class SlowLog {
  readonly records: LogRecord[] = []
  readonly #underWay: (() => void)[] = []
  #versions = 0

  grow(bytes: number): void {
    this.records.push(this.#record(this.records.length + 1, bytes))
  }

  rewrite(at: number): void {
    const index = at % this.records.length
    this.records[index] = this.#record(index + 1, 10)
  }

  readonly read = (from: Position): Promise<readonly LogRecord[]> => {
    const page = firstOf(this.records, from, PAGE_BYTES)
    return new Promise(resolve => this.#underWay.push(() => resolve(page)))
  }

  get isRead(): boolean {
    return this.#underWay.length > 0
  }

  async finish(which: number): Promise<void> {
    const [one] = this.#underWay.splice(which % Math.max(1, this.#underWay.length), 1)
    one?.()
    // What waits for it goes on.
    await new Promise(setImmediate)
  }

  #record(position: Position, bytes: number): LogRecord {
    return { position, id: `${position}@${this.#versions++}`, bytes: new Uint8Array(bytes) }
  }
}

/** As many as do not cross the mark, and the one that does. */
function firstOf(records: readonly LogRecord[], from: Position, bytes_max: number): LogRecord[] {
  const found: LogRecord[] = []
  let bytes = 0
  for (const record of records.slice(from - 1)) {
    if (found.length > 0 && bytes >= bytes_max) break
    found.push(record)
    bytes += record.bytes.length
  }
  return found
}

const commands = fc.array(
  fc.record<Command>({
    do: fc.constantFrom('grow', 'read', 'read', 'read', 'finish', 'finish', 'finish', 'rewrite', 'others'),
    bytes: fc.integer({ min: 10, max: 400 }),
    from: fc.nat(LOG_MAX),
    which: fc.nat(),
  }),
  { minLength: 20, maxLength: 60, size: 'max' },
)

interface Command {
  readonly do: 'grow' | 'read' | 'finish' | 'rewrite' | 'others'
  readonly bytes: number
  readonly from: number
  readonly which: number
}

test('[ERA-1] what is kept of a log is what it holds now, however late a read of it ends, and no more than there is room for', async () => {
  let hits = 0
  let evicted = 0
  await holdsAsync(
    commands,
    async plan => {
      const log = new SlowLog()
      const cache = new PageCache(CACHE_BYTES)
      const pages = new LogPages(cache, log.read)
      const others = new LogPages(cache, log.read)
      const reads: Promise<void>[] = []
      for (let n = 0; n < 10; n++) log.grow(100)
      for (const { do: command, bytes, from, which } of plan) {
        const before = inMemory(pages, log).length
        if (command === 'grow') log.grow(bytes)
        if (command === 'read') reads.push(checkedRead(pages, log, 1 + (from % log.records.length), bytes))
        if (command === 'finish') await log.finish(which)
        if (command === 'rewrite') {
          log.rewrite(which)
          pages.clear()
        }
        if (command === 'others') others.keep([{ position: 1, id: 'x', bytes: new Uint8Array(bytes * 8) }])
        const kept = inMemory(pages, log)
        if (command === 'others' && kept.length < before) evicted++
        hits += kept.length
        expect(sizeOfPage(kept)).toBeLessThanOrEqual(CACHE_BYTES)
      }
      while (log.isRead) await log.finish(0)
      await Promise.all(reads)
    },
    200,
  )
  comesUp(hits, 1_000)
  comesUp(evicted, 20)
})

/** What is read is what the log held when it was asked for, from there on, up to the mark or less. */
async function checkedRead(pages: LogPages, log: SlowLog, from: Position, bytes_max: number): Promise<void> {
  const held = firstOf(log.records, from, bytes_max)
  const read = await pages.read(from, bytes_max)
  expect(read.length).toBeGreaterThan(0)
  expect(read).toEqual(held.slice(0, read.length))
}

/** Of each position, what memory has: it must be what the log has there. */
function inMemory(pages: LogPages, log: SlowLog): LogRecord[] {
  return log.records.filter(record => {
    const [found] = pages.inMemory(record.position, 1) ?? []
    if (found !== undefined) expect(found.id).toBe(record.id)
    return found !== undefined
  })
}

test('a read that fails is told to all who wait for it, and the next one begins anew', async () => {
  const failure = new Error('the disk does not answer')
  let fails = true
  let begun = 0
  const record: LogRecord = { position: 1, id: 'a', bytes: new Uint8Array(10) }
  const pages = new LogPages(new PageCache(CACHE_BYTES), async () => {
    begun++
    if (fails) throw failure
    return [record]
  })
  expect(await Promise.allSettled([pages.read(1, 100), pages.read(1, 100)])).toEqual([
    { status: 'rejected', reason: failure },
    { status: 'rejected', reason: failure },
  ])
  expect(begun).toBe(1)
  fails = false
  expect(await pages.read(1, 100)).toEqual([record])
  expect(pages.inMemory(1, 100)).toEqual([record])
})

test('what the bytes of a change were verified as is not kept with them', async () => {
  const record: LogRecord = { position: 1, id: 'a', bytes: new Uint8Array(10) }
  const verified = { ...record, change: {} }
  const pages = new LogPages(new PageCache(CACHE_BYTES), async () => [verified])
  await pages.read(1, 100)
  expect(pages.inMemory(1, 100)).toEqual([record])
})

test('a page for which there is no room at all is not kept, and what is there stays', () => {
  const pages = new LogPages(new PageCache(CACHE_BYTES), async () => [])
  pages.keep([{ position: 1, id: 'a', bytes: new Uint8Array(10) }])
  pages.keep([{ position: 2, id: 'b', bytes: new Uint8Array(CACHE_BYTES) }])
  expect(pages.inMemory(1, 100)).toHaveLength(1)
  expect(pages.inMemory(2, 100)).toBeUndefined()
})

test('what several read of a log that was closed is read from disk once', async () => {
  const disk = new MemoryDisk()
  const read: Position[] = []
  const openStore = async () =>
    overriding(new MemoryStore(disk), inner => ({
      read(workflow, from, bytes_max) {
        if (workflow === 'w') read.push(from)
        return inner.read(workflow, from, bytes_max)
      },
    }))
  const harness = await PeerHarness.start({ openStore })
  const writer = await (await harness.replica()).open(Research, { workflow: 'w', agent: 'writer' })
  for (let n = 0; n < 40; n++) writer.append('message', { text: `${n}`.padEnd(40_000) })
  await writer.flush({ timeout_ms: 10_000 })
  await harness.restart()
  read.length = 0
  for (let reader = 0; reader < 3; reader++) {
    const replica = await harness.replica()
    const context = await replica.open(Research, { workflow: 'w', agent: 'reader' })
    expect(context.entries()).toHaveLength(40)
    await replica.close()
  }
  expect(read.length).toBeGreaterThan(3)
  expect(read, 'to open the log').toEqual([...new Set(read)].sort((a, b) => a - b))
})
